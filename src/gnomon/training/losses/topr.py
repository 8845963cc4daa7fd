"""Tapered off-policy REINFORCE: good rollouts count in full however stale, bad ones only as far as still likely.

L = -mean_B w A log pi(rollout); w = 1 where A >= 0, else min(W, 1); W = prod pi/mu of what sampled; no gradient in w.
Source: Le Roux et al., TOPR, 2503.14286 (its canonical form: w = 1 for good, between 0 and 1 for bad rollouts).
Departs: good or bad is the sign of the group's centred reward, not of a reward of +-1; the sampler's rounding is part
of W.
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages: those of the reward.
Fails: good rollouts pull with full weight from any distance, so the policy imitates stale data; long ones pull more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from gnomon.core.protocols import LossOut
from gnomon.training.batches import Advantage, RolloutBatch
from gnomon.training.losses._surrogate import log_ratio, mean, movement, rollouts, sampler_log_ratio, share, total
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class TOPR:
    """Tapered off-policy REINFORCE."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    NEEDS_REFERENCE: ClassVar[bool] = False
    ADVANTAGE: ClassVar[Advantage] = "group_centred"
    RECIPE: ClassVar[Mapping[str, Any]] = {}

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        change_B = total(log_ratio(batch) + sampler_log_ratio(batch), batch).detach()
        advantage_B = mean(batch.advantage_K, batch)
        weight_B = torch.where(advantage_B >= 0, 1.0, change_B.clamp(max=0).exp())
        loss = -(weight_B * advantage_B * total(batch.logp_K, batch)).mean()
        metrics = {"weight_mean": weight_B.mean().item(), "tapered_fraction": share(weight_B < 1)}
        return LossOut(loss, metrics | movement(batch, reference=False))


SPECIMENS = (
    Specimen(
        why="a good rollout counts in full, W = 1.5 x 0.9 or not: -(log 1.35 - 2)",
        batch=rollouts([[1.5, 0.9]], [1.0]),
        loss=2 - math.log(1.35),
    ),
    Specimen(
        why="bad rollouts: W = 0.5 x 0.5 = 0.25, and W = 6 cut to 1: 2 (0.25 (log 0.25 - 2) + (log 6 - 2)) / 2",
        batch=rollouts([[0.5, 0.5], [2.0, 3.0]], [-2.0, -2.0]),
        loss=0.25 * (math.log(0.25) - 2) + (math.log(6) - 2),
    ),
    Specimen(
        why="pi = pi_old, but trainer / sampler = 0.5: W = 0.25: 2 x 0.25 x -2",
        batch=rollouts([[1.0, 1.0]], [-2.0], sampler=0.5),
        loss=-1.0,
    ),
)
