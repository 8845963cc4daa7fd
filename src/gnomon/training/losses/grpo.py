"""Group-relative policy optimisation: PPO's clip by token, without a critic.

L = mean_B mean_tokens [-min(r A, clip(r, 1-e, 1+e) A) + beta k3]; r = pi/pi_old of the token; A = (R - mean) / std of
the rollout's group; k3 of policy and reference.
Source: Shao et al., DeepSeekMath, 2402.03300 eq. 3-4 (64 rollouts a group, beta 0.04).
Departs: each token is weighted by trainer/sampler, cut at `mismatch_cap` (1 if the sampler rounds alike).
Shapes: `K` tokens of `B` rollouts. Units: nats; advantages have none.
Fails: the mean over a rollout favours short good and long bad replies, the division by std groups that almost agree
(dr_grpo has neither); the gradient of k3 is not that of the divergence.
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
    rollout_mean,
    rollouts,
    share,
)
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Group-relative policy optimisation."""

    READS: ClassVar[type[RolloutBatch]] = RolloutBatch
    ADVANTAGE: ClassVar[Advantage] = "group_relative"
    RECIPE: ClassVar[Mapping[str, Any]] = {}

    clip_low: float = 0.2
    """How far below 1 a token's ratio may fall before a bad token is left alone."""
    clip_high: float = 0.2
    """How far above 1 a token's ratio may rise before a good token is left alone."""
    beta: float = 0.04
    """Weight of the divergence from the reference (k3); 0: no reference is needed."""
    mismatch_cap: float = CAP
    """Largest weight of a token for the sampler's rounding; inf: never cut."""

    def __post_init__(self) -> None:
        check("grpo", clip_low=self.clip_low, clip_high=self.clip_high, beta=self.beta, mismatch_cap=self.mismatch_cap)

    @property
    def NEEDS_REFERENCE(self) -> bool:
        return self.beta > 0

    def __call__(self, *, batch: RolloutBatch) -> LossOut:
        ratio_K = log_ratio(batch).exp()
        loss_K, stopped_K = clipped(ratio_K, batch.advantage_K, self.clip_low, self.clip_high)
        loss_K = correction(batch, self.mismatch_cap) * loss_K + penalty(batch, self.beta)
        metrics = {"clip_fraction": share(stopped_K), **movement(batch, reference=self.NEEDS_REFERENCE)}
        return LossOut(rollout_mean(loss_K, batch), metrics)


SPECIMENS = (
    Specimen(
        why="each rollout the same: ((-1.2 - 0.9) / 2 + 2) / 2: 1.5 is cut to 1.2, 0.9 and 1 are not",
        batch=rollouts([[1.5, 0.9], [1.0]], [1.0, -2.0]),
        loss=(-1.05 + 2.0) / 2,
        settings={"beta": 0.0},
    ),
    Specimen(
        why="a bad token's ratio counts in full above, and as 0.8 below: (2 x 3 + 2 x 0.8) / 2",
        batch=rollouts([[3.0, 0.5]], [-2.0]),
        loss=3.8,
        settings={"beta": 0.0},
    ),
    Specimen(
        why="-1 + 0.5 k3, reference / policy = 2: k3 = 2 - log 2 - 1",
        batch=rollouts([[1.0], [1.0, 1.0]], [1.0, 1.0], reference=2.0),
        loss=-1 + 0.5 * (1 - math.log(2)),
        settings={"beta": 0.5},
    ),
    Specimen(
        why="trainer / sampler = 3 is cut to 2: -2 x 1.1",
        batch=rollouts([[1.1, 1.1]], [1.0], sampler=3.0),
        loss=-2.2,
        settings={"beta": 0.0},
    ),
)
