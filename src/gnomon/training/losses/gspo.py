"""Group sequence policy optimisation: one ratio for a whole rollout, its geometric mean by token, clipped closely.

L = -mean_B min(s A, clip(s, 1-e_low, 1+e_high) A); s = (prod pi/pi_old)^(1/T); A = (R - mean) / std of the group.
Source: Zheng et al., GSPO, 2507.18071 eq. 5-7; bounds and 4 mini-batches a batch of rollouts: its section 5.1.
Departs: `beta` adds the k3 of GRPO (the paper has none); each token is weighted by trainer/sampler, cut at
`mismatch_cap` (1 if the sampler rounds alike).
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages have none.
Fails: s is biased, and the more so the longer the rollout: drift in a few tokens is averaged away.
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
    mean,
    movement,
    penalty,
    rollout_mean,
    rollouts,
    share,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class GSPO:
    """Group sequence policy optimisation."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_relative"
    RECIPE: ClassVar[Mapping[str, Any]] = {"staleness": 4}

    clip_low: float = 3e-4
    """How far below 1 a rollout's ratio may fall before a bad rollout is left alone."""
    clip_high: float = 4e-4
    """How far above 1 a rollout's ratio may rise before a good rollout is left alone."""
    beta: float = 0.0
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("gspo", clip_low=self.clip_low, clip_high=self.clip_high, beta=self.beta, mismatch_cap=self.mismatch_cap)

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        ratio_B = mean(log_ratio(batch), batch).exp()
        loss_B, stopped_B = clipped(ratio_B, mean(batch.advantage_K, batch), self.clip_low, self.clip_high)
        loss_K = correction(batch, self.mismatch_cap) * loss_B[batch.owner_K] + penalty(batch, self.beta)
        metrics = {"clip_fraction": share(stopped_B), **movement(batch, reference=self.NEEDS_REFERENCE)}
        return LossOut(rollout_mean(loss_K, batch), metrics)


SPECIMENS = (
    Specimen(
        why="s = sqrt(1.21 x 1) = 1.1 is cut to 1.0004, s = 0.9 of a bad rollout to 0.9997, s = 1 stays",
        batch=rollouts([[1.21, 1.0], [0.9], [1.0]], [1.0, -2.0, 1.0]),
        loss=(-1.0004 + 2 * 0.9997 - 1) / 3,
    ),
    Specimen(
        why="s = 1.1 inside a wide clip, 0.5 k3 of the tokens 1.21 and 1, reference / old = 1",
        batch=rollouts([[1.21, 1.0]], [1.0]),
        loss=-1.1 + 0.5 * (1 / 1.21 + math.log(1.21) - 1) / 2,
        settings={"beta": 0.5, "clip_high": 0.2},
    ),
)
