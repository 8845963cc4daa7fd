"""Clipped importance sampling: REINFORCE by token with a cut weight, so that no token ever loses its gradient.

L = -mean over all tokens of stop_gradient(min(r, 1 + e_high)) A log pi; r = pi/pi_old; A = (R - mean) / std.
Source: MiniMax-M1, 2506.13585 eq. 4-5 (no lower bound is used there); 1 + e_high = 5: ScaleRL, 2510.13786.
Departs: `beta` adds the k3 of GRPO (the paper has none); the weight trainer/sampler of a token is cut at `mismatch_cap`
on its own (1 if the sampler rounds alike).
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages have none.
Fails: the value of the loss says nothing, only its gradient does; bad tokens are pushed down without end.
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
class CISPO:
    """Clipped importance sampling policy optimisation."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_relative"
    RECIPE: ClassVar[Mapping[str, Any]] = {}

    clip_high: float = 4.0
    """How far above 1 the weight of a token may rise."""
    beta: float = 0.0
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("cispo", clip_high=self.clip_high, beta=self.beta, mismatch_cap=self.mismatch_cap)

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        ratio_K = log_ratio(batch).detach().exp()
        weight_K = ratio_K.clamp(max=1 + self.clip_high) * correction(batch, self.mismatch_cap)
        loss_K = -weight_K * batch.advantage_K * batch.logp_K + penalty(batch, self.beta)
        metrics = {"clip_fraction": share(ratio_K > 1 + self.clip_high)}
        return LossOut(token_mean(loss_K, batch), metrics | movement(batch, reference=self.NEEDS_REFERENCE))


SPECIMENS = (
    Specimen(
        why="weights 6 -> 5 and 0.5, log pi = log r - 1: -(5 (log 6 - 1) + 0.5 (log 0.5 - 1) + 2) / 3",
        batch=rollouts([[6.0, 0.5], [1.0]], [1.0, -2.0]),
        loss=-(5 * (math.log(6) - 1) + 0.5 * (math.log(0.5) - 1) + 2) / 3,
    ),
    Specimen(
        why="weight 1, log pi = -1, trainer / sampler = 0.5: 0.5 + 0.5 (1 - log 2)",
        batch=rollouts([[1.0], [1.0]], [1.0, 1.0], reference=2.0, sampler=0.5),
        loss=0.5 + 0.5 * (1 - math.log(2)),
        settings={"beta": 0.5},
    ),
)
