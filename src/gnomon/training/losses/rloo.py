"""REINFORCE with a leave-one-out baseline: the whole rollout is one action.

L = -mean_B min(W A, clip(W, 1-e, 1+e) A); W = prod pi/pi_old; A = R - mean of the other rewards of its group. At
pi = pi_old the gradient is REINFORCE's, -A grad log pi(rollout). The divergence belongs into the reward, not here.
Source: Ahmadian et al. 2402.14740 (2 or 4 rollouts a group); the clip for further updates: TRL's RLOO.
Departs: the paper updates once and needs no ratio; `clip_low` 1 with `clip_high` inf is plain importance sampling.
A rollout's trainer/sampler is a weight, cut at `mismatch_cap`.
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages: those of the reward.
Fails: W is a product: drift of d a token moves log W by d sqrt(T), so a second update soon meets the clip.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gnomon.core.protocols import LossOut
from gnomon.training.batches import Advantage, RolloutBatch
from gnomon.training.losses._surrogate import (
    CAP,
    FURTHEST,
    check,
    clipped,
    log_ratio,
    mean,
    movement,
    rollouts,
    sampler_log_ratio,
    share,
    total,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class RLOO:
    """REINFORCE with a leave-one-out baseline."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    NEEDS_REFERENCE: ClassVar[bool] = False
    ADVANTAGE: ClassVar[Advantage] = "leave_one_out"
    RECIPE: ClassVar[Mapping[str, Any]] = {"kl": 0.03}

    clip_low: float = 0.2
    """How far below 1 a rollout's ratio may fall before a bad rollout is left alone."""
    clip_high: float = 0.2
    """How far above 1 a rollout's ratio may rise before a good rollout is left alone."""
    mismatch_cap: float = CAP
    """Largest weight of a rollout for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("rloo", clip_low=self.clip_low, clip_high=self.clip_high, mismatch_cap=self.mismatch_cap)

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        ratio_B = total(log_ratio(batch), batch).clamp(-FURTHEST, FURTHEST).exp()
        loss_B, stopped_B = clipped(ratio_B, mean(batch.advantage_K, batch), self.clip_low, self.clip_high)
        weight_B = total(sampler_log_ratio(batch), batch).clamp(max=FURTHEST).exp().clamp(max=self.mismatch_cap)
        metrics = {"clip_fraction": share(stopped_B), "weight_max": ratio_B.detach().max().item()}
        return LossOut((weight_B * loss_B).mean(), metrics | movement(batch, reference=False))


SPECIMENS = (
    Specimen(
        why="W = 1.5 x 0.9 = 1.35 is cut to 1.2: (-1.2 + 2) / 2",
        batch=rollouts([[1.5, 0.9], [1.0]], [1.0, -2.0]),
        loss=0.4,
    ),
    Specimen(
        why="no clip: (-6 x 1 + 0.1 x 2) / 2",
        batch=rollouts([[2.0, 3.0], [0.1]], [1.0, -2.0]),
        loss=-2.9,
        settings={"clip_low": 1.0, "clip_high": math.inf},
    ),
    Specimen(
        why="trainer / sampler = 1.2^2 = 1.44 for the rollout: -1.44",
        batch=rollouts([[1.0, 1.0]], [1.0], sampler=1.2),
        loss=-1.44,
    ),
)
