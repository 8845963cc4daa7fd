"""Variational sequence-level soft policy optimisation: a smooth kernel of a rollout's true ratio, for stale rollouts.

L = -mean over all tokens of phi(W) A log pi; phi(W) = W^c1 exp(c2 (1 - W)), without gradient; W = prod pi/mu of the
rollout, not divided by its length; (c1, c2) = (2, 3) where A >= 0, (3, 2) where A < 0; A = (R - mean) / std.
Source: VESPO, 2602.10693; clamps (log-ratio of a token to +-20, log W to log 1e-8 .. 20) as in its code.
Departs: `beta` adds the k3 of GRPO (the paper has none); trainer/sampler of a token, cut at `mismatch_cap`, is a
factor of W and weighs nothing else.
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages have none.
Fails: drift of d a token moves log W by d sqrt(T); once most phi are near 0 hardly any rollout teaches: read `starved`,
`phi_mean` and `effective_share`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnomon.core.protocols import LossOut
from gnomon.training.batches import Advantage, RolloutBatch
from gnomon.training.losses._surrogate import (
    CAP,
    FURTHEST,
    check,
    log_ratio,
    mean,
    movement,
    penalty,
    rollouts,
    sampler_log_ratio,
    share,
    token_mean,
    total,
)
from gnomon.training.losses._terms import Specimen

LEAST = math.log(1e-8)
"""Below this, log W no longer falls: phi is about 1e-15 there."""


@dataclass(frozen=True, kw_only=True)
class VESPO:
    """Variational sequence-level soft policy optimisation."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_relative"
    RECIPE: ClassVar[Mapping[str, Any]] = {"staleness": 8}

    c1_positive: float = 2.0
    """Power of W where A >= 0; at least 1, or a rollout that has become unlikely has an unbounded say."""
    c2_positive: float = 3.0
    """How fast phi falls as W grows, where A >= 0; it is highest at W = c1 / c2."""
    c1_negative: float = 3.0
    """Power of W where A < 0."""
    c2_negative: float = 2.0
    """How fast phi falls as W grows, where A < 0."""
    beta: float = 0.0
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest factor of a token for the sampler's rounding in W; inf: never cut."""

    def __post_init__(self) -> None:
        check("vespo", c1_positive=self.c1_positive, c2_positive=self.c2_positive, beta=self.beta)
        check("vespo", c1_negative=self.c1_negative, c2_negative=self.c2_negative, mismatch_cap=self.mismatch_cap)

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def kernel(self, log_weight_B: Tensor, advantage_B: Tensor) -> Tensor:
        """Phi of each rollout from log W."""
        good_B = advantage_B >= 0
        c1_B = torch.where(good_B, self.c1_positive, torch.full_like(log_weight_B, self.c1_negative))
        c2_B = torch.where(good_B, self.c2_positive, torch.full_like(log_weight_B, self.c2_negative))
        log_weight_B = log_weight_B.clamp(LEAST, FURTHEST)
        return (c2_B + c1_B * log_weight_B - c2_B * log_weight_B.exp()).exp()

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        rounding_K = sampler_log_ratio(batch).clamp(LEAST, math.log(self.mismatch_cap))
        log_weight_B = total(log_ratio(batch).detach() + rounding_K, batch)
        phi_B = self.kernel(log_weight_B, mean(batch.advantage_K, batch))
        loss_K = -phi_B[batch.owner_K] * batch.advantage_K * batch.logp_K + penalty(batch, self.beta)
        metrics = {
            "phi_mean": phi_B.mean().item(),
            "effective_share": (phi_B.sum() ** 2 / (phi_B**2).sum().clamp(min=1e-30) / len(phi_B)).item(),
            "starved": share(phi_B < 0.01),
        }
        return LossOut(token_mean(loss_K, batch), metrics | movement(batch, reference=self.NEEDS_REFERENCE))


SPECIMENS = (
    Specimen(
        why="W = 1, so phi = 1; log pi = -1: the mean advantage of a token, (2 x 1 - 3) / 3",
        batch=rollouts([[1.0, 1.0], [1.0]], [1.0, -3.0]),
        loss=-1 / 3,
    ),
    Specimen(
        why="a good rollout, W = 2 x 0.25 = 0.5: phi = 0.25 e^1.5; log pi sums to log 0.5 - 2",
        batch=rollouts([[2.0, 0.25]], [1.0]),
        loss=-0.25 * math.exp(1.5) * (math.log(0.5) - 2) / 2,
    ),
    Specimen(
        why="a bad rollout, W = 1 x trainer / sampler = 2: phi = 8 e^-2, and no further weight",
        batch=rollouts([[1.0]], [-1.0], sampler=2.0),
        loss=-8 * math.exp(-2),
    ),
    Specimen(
        why="trainer / sampler = 9 is cut to 2: phi = 4 e^-3; with 0.5 k3 at reference / policy = 2",
        batch=rollouts([[1.0]], [1.0], sampler=9.0, reference=2.0),
        loss=4 * math.exp(-3) + 0.5 * (1 - math.log(2)),
        settings={"beta": 0.5},
    ),
)
