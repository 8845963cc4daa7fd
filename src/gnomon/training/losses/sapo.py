"""Soft adaptive policy optimisation: a smooth gate by token instead of a clip, tighter for bad tokens.

L = -mean_B mean_tokens (4/t) sigma(t (r - 1)) A; r = pi/pi_old; A = (R - mean) / std of the group; t = `tau_positive`
where A > 0, else `tau_negative`. The gradient's weight is 4 s (1 - s) r with s = sigma(t (r - 1)): 1 at r = 1.
Source: Gao et al., SAPO, 2511.20347 (t = 1.0 and 1.05).
Departs: `beta` adds the k3 of GRPO (the paper has none); each token is weighted by trainer/sampler, cut at
`mismatch_cap` (1 if the sampler rounds alike).
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages have none.
Fails: below r = 1 the gate hardly closes: far from the old policy many small weights still add up.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import Advantage, RolloutBatch
from gnomon.training.losses._surrogate import (
    CAP,
    check,
    correction,
    log_ratio,
    movement,
    penalty,
    rollout_mean,
    rollouts,
    share,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class SAPO:
    """Soft adaptive policy optimisation."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_relative"
    RECIPE: ClassVar[Mapping[str, Any]] = {}

    tau_positive: float = 1.0
    """Temperature where the advantage is above 0: the higher, the sooner the gate closes."""
    tau_negative: float = 1.05
    """Temperature elsewhere; above `tau_positive`, as bad tokens destabilise more."""
    beta: float = 0.0
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("sapo", beta=self.beta, mismatch_cap=self.mismatch_cap)
        for name in ("tau_positive", "tau_negative"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"loss 'sapo': {name} must be above 0, not {getattr(self, name)}; write 1.0")

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        negative_K = torch.full_like(batch.logp_K, self.tau_negative)
        tau_K = torch.where(batch.advantage_K > 0, self.tau_positive, negative_K)
        gate_K = torch.sigmoid(tau_K * (log_ratio(batch).exp() - 1))
        loss_K = -4 / tau_K * gate_K * batch.advantage_K
        loss_K = correction(batch, self.mismatch_cap) * loss_K + penalty(batch, self.beta)
        metrics = {"closed_fraction": share(4 * gate_K * (1 - gate_K) < 0.5)}
        return LossOut(rollout_mean(loss_K, batch), metrics | movement(batch, reference=self.NEEDS_REFERENCE))


SPECIMENS = (
    Specimen(
        why="sigma = 1/2 where r = 1: (-2/1 + 2 x 2/1.05) / 2, each rollout the same",
        batch=rollouts([[1.0, 1.0], [1.0]], [1.0, -2.0]),
        loss=(-2 + 4 / 1.05) / 2,
    ),
    Specimen(
        why="t (r - 1) = log 3: sigma = 3/4, (4/t) (3/4) = 3/t with t = log 3",
        batch=rollouts([[2.0]], [1.0]),
        loss=-3 / math.log(3),
        settings={"tau_positive": math.log(3)},
    ),
    Specimen(
        why="trainer / sampler = 3 is cut to 2: -2 x 2 + 0.5 (1 - log 2)",
        batch=rollouts([[1.0]], [1.0], reference=2.0, sampler=3.0),
        loss=-4 + 0.5 * (1 - math.log(2)),
        settings={"beta": 0.5},
    ),
)
