"""Proximal policy optimisation with a critic: the classic of reinforcement learning from human feedback.

L = mean over all tokens of -min(r A, clip(r, 1-e, 1+e) A) + `value_weight` max((V - R)^2, (V_clip - R)^2) / 2;
r = pi/pi_old of the token; V_clip = V_old + clip(V - V_old, +-`value_clip`). The loop makes A by GAE (gamma 1,
lambda 0.95), R = A + V_old, whitens A, and puts -`kl` log(pi/pi_ref) of each token into the reward.
Source: Schulman et al. 1707.06347 eq. 7, 9; value clip: OpenAI baselines; for language: Ouyang et al. 2203.02155.
Departs: the policy's part of each token is weighted by trainer/sampler, cut at `mismatch_cap`.
Shapes: `K` tokens of `B` rollouts. Units: nats; values and returns: those of the reward.
Fails: a critic that explains nothing (`explained_variance` below 0) makes advantages worse than rewards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from gnomon.core.protocols import LossOut
from gnomon.training.batches import ActorCriticBatch, Advantage
from gnomon.training.losses._surrogate import (
    CAP,
    check,
    clipped,
    correction,
    log_ratio,
    movement,
    rollouts,
    share,
    token_mean,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class PPO:
    """Proximal policy optimisation with a critic."""

    READS: ClassVar[type[ActorCriticBatch]] = ActorCriticBatch
    NEEDS_REFERENCE: ClassVar[bool] = False
    ADVANTAGE: ClassVar[Advantage] = "gae"
    RECIPE: ClassVar[Mapping[str, Any]] = {"kl": 0.05, "passes": 4}

    clip_low: float = 0.2
    """How far below 1 a token's ratio may fall before a bad token is left alone."""
    clip_high: float = 0.2
    """How far above 1 a token's ratio may rise before a good token is left alone."""
    value_weight: float = 0.1
    """Weight of the critic's error beside the policy's part."""
    value_clip: float = 0.2
    """How far a value may move from what it was when sampling; inf: freely."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("ppo", clip_low=self.clip_low, clip_high=self.clip_high, mismatch_cap=self.mismatch_cap)
        check("ppo", value_weight=self.value_weight, value_clip=self.value_clip)

    def __call__(self, *, batch: ActorCriticBatch) -> LossOut:
        policy_K, stopped_K = clipped(log_ratio(batch).exp(), batch.advantage_K, self.clip_low, self.clip_high)
        policy = token_mean(correction(batch, self.mismatch_cap) * policy_K, batch)
        moved_K = (batch.value_K - batch.old_value_K).clamp(-self.value_clip, self.value_clip)
        free_K = (batch.value_K - batch.return_K) ** 2
        held_K = (batch.old_value_K + moved_K - batch.return_K) ** 2
        value = token_mean(torch.maximum(free_K, held_K), batch) / 2
        spread = batch.return_K.var(correction=0).clamp(min=1e-12)
        left = (batch.return_K - batch.value_K.detach()).var(correction=0)
        metrics = {
            "clip_fraction": share(stopped_K),
            "policy_loss": policy.item(),
            "value_loss": value.item(),
            "value_clip_fraction": share(held_K > free_K),
            "explained_variance": (1 - left / spread).item(),
        }
        return LossOut(policy + self.value_weight * value, metrics | movement(batch, reference=False))


_VALUES = {"value_K": (0.5, 0.0, 1.0), "old_value_K": (0.0, 0.0, 1.0), "return_K": (1.0, 0.0, 3.0)}
SPECIMENS = (
    Specimen(
        why="policy (-1.2 - 0.9 + 2) / 3; the first value may move to 0.2 only: 0.1 (0.8^2 + 0 + 2^2) / 3 / 2",
        batch={**rollouts([[1.5, 0.9], [1.0]], [1.0, -2.0]), **_VALUES},
        loss=-0.1 / 3 + 0.1 * 4.64 / 6,
    ),
    Specimen(
        why="values move freely: (0.5^2 + 0 + 2^2) / 3 / 2, trainer / sampler = 3 is cut to 2: -2",
        batch={**rollouts([[1.0, 1.0], [1.0]], [1.0, 1.0], sampler=3.0), **_VALUES},
        loss=-2 + 4.25 / 6,
        settings={"value_weight": 1.0, "value_clip": 1e9},
    ),
)
