"""Decoupled clip and dynamic sampling: GRPO with more room upwards, and every token of the batch weighs the same.

L = mean over all tokens of -min(r A, clip(r, 1-e_low, 1+e_high) A); r = pi/pi_old of the token; A = (R - mean) / std.
The other half lies in the loop: groups that are all right or all wrong are drawn again (`dynamic_sampling`), and
replies near the limit lose reward (`overlong`; in the paper the last 4096 of 20480 tokens).
Source: Yu et al., DAPO, 2503.14476 eq. 8-13 (16 rollouts a group).
Departs: `beta` adds the k3 of GRPO (the paper has none); each token is weighted by trainer/sampler, cut at
`mismatch_cap` (1 if the sampler rounds alike).
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages have none.
Fails: long replies dominate; without dynamic sampling, groups that agree only dilute the mean.
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
    log_ratio,
    movement,
    penalty,
    rollouts,
    share,
    token_mean,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class DAPO:
    """Decoupled clip and dynamic sampling."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_relative"
    RECIPE: ClassVar[Mapping[str, Any]] = {"dynamic_sampling": 10}

    clip_low: float = 0.2
    """How far below 1 a token's ratio may fall before a bad token is left alone."""
    clip_high: float = 0.28
    """How far above 1 a token's ratio may rise before a good token is left alone."""
    beta: float = 0.0
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("dapo", clip_low=self.clip_low, clip_high=self.clip_high, beta=self.beta, mismatch_cap=self.mismatch_cap)

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        ratio_K = log_ratio(batch).exp()
        loss_K, stopped_K = clipped(ratio_K, batch.advantage_K, self.clip_low, self.clip_high)
        loss_K = correction(batch, self.mismatch_cap) * loss_K + penalty(batch, self.beta)
        metrics = {"clip_fraction": share(stopped_K), **movement(batch, reference=self.NEEDS_REFERENCE)}
        return LossOut(token_mean(loss_K, batch), metrics)


SPECIMENS = (
    Specimen(
        why="(-1.28 - 0.9 + 2) / 3: 1.5 is cut to 1.28, and tokens weigh the same, not rollouts",
        batch=rollouts([[1.5, 0.9], [1.0]], [1.0, -2.0]),
        loss=-0.18 / 3,
    ),
    Specimen(
        why="trainer / sampler = 3 is cut to 2 but the divergence is not weighted: -2 + 0.5 (1 - log 2)",
        batch=rollouts([[1.0], [1.0, 1.0]], [1.0, 1.0], reference=2.0, sampler=3.0),
        loss=-2 + 0.5 * (1 - math.log(2)),
        settings={"beta": 0.5},
    ),
)
