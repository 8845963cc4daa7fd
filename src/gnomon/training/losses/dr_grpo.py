"""GRPO done right: without its two biases, the division by the length and by the standard deviation.

L = sum over all tokens of -min(r A, clip(r, 1-e, 1+e) A) / sum_B limit; r = pi/pi_old of the token; A = R - mean of the
rollout's group; `limit` = most tokens that a rollout could have had, so a token weighs the same in any reply.
Source: Liu et al., "Understanding R1-Zero-like training", 2503.20783 section 3 (8 rollouts a group, 3000 tokens).
Departs: `beta` adds the k3 of GRPO (the paper has none); each token is weighted by trainer/sampler, cut at
`mismatch_cap` (1 if the sampler rounds alike).
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages: those of the reward.
Fails: the loss is small if rollouts stay far below their limit; groups with a wide reward outweigh the others.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gnomon.core.protocols import LossOut
from gnomon.training.batches import Advantage, RolloutBatch
from gnomon.training.losses._surrogate import (
    CAP,
    check,
    clipped,
    correction,
    limit_mean,
    log_ratio,
    movement,
    penalty,
    rollouts,
    share,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class DrGRPO:
    """GRPO done right."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_centred"
    RECIPE: ClassVar[Mapping[str, Any]] = {}

    clip_low: float = 0.2
    """How far below 1 a token's ratio may fall before a bad token is left alone."""
    clip_high: float = 0.2
    """How far above 1 a token's ratio may rise before a good token is left alone."""
    beta: float = 0.0
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check(
            "dr_grpo", clip_low=self.clip_low, clip_high=self.clip_high, beta=self.beta, mismatch_cap=self.mismatch_cap
        )

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        ratio_K = log_ratio(batch).exp()
        loss_K, stopped_K = clipped(ratio_K, batch.advantage_K, self.clip_low, self.clip_high)
        loss_K = correction(batch, self.mismatch_cap) * loss_K + penalty(batch, self.beta)
        metrics = {"clip_fraction": share(stopped_K), **movement(batch, reference=self.NEEDS_REFERENCE)}
        return LossOut(limit_mean(loss_K, batch), metrics)


SPECIMENS = (
    Specimen(
        why="(-1.2 - 0.9 + 2) / (4 + 4): 1.5 is cut to 1.2, and the limits are 4 tokens each",
        batch=rollouts([[1.5, 0.9], [1.0]], [1.0, -2.0]),
        loss=-0.1 / 8,
    ),
    Specimen(
        why="3 (-1 + 0.5 k3) / 8, reference / policy = 2: k3 = 2 - log 2 - 1",
        batch=rollouts([[1.0], [1.0, 1.0]], [1.0, 1.0], reference=2.0),
        loss=3 * (-1 + 0.5 * (1 - math.log(2))) / 8,
        settings={"beta": 0.5},
    ),
)
