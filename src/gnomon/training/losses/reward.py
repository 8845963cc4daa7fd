"""A reward model of preferences: the Bradley-Terry likelihood of the pairs.

L = mean_B -log sigma(r_w - r_l - m) + eta mean_B (r_w + r_l)^2, w chosen, l rejected, m the margin that the data state.
The likelihood knows differences only; the second term fixes the zero, so that rewards of several models compare.
It trains the scalar head and whatever of the trunk is trainable; it is no policy loss.
Source: Bradley and Terry 1952, as Ouyang et al. 2203.02155 eq. 1; margin: Touvron et al. 2307.09288 eq. 2;
centring: Eisenstein et al. 2312.09244 eq. 2.
Shapes: `B` pairs. Units: log-odds of being preferred. Fails: separable pairs push differences up for ever: watch
held-out accuracy and calibration, not the loss.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch.nn.functional import logsigmoid

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import RewardBatch
from gnomon.training.losses._terms import Specimen, preference_metrics


@dataclass(frozen=True, kw_only=True)
class Reward:
    """Bradley-Terry reward model."""

    READS: ClassVar[type[RewardBatch]] = RewardBatch
    NEEDS_REFERENCE: ClassVar[bool] = False

    centring: float = 0.0
    """Weight eta of the squared sum of a pair's rewards; 0.01 is usual where it is used."""

    def __post_init__(self) -> None:
        if not self.centring >= 0:
            raise SettingsError(f"loss 'reward': centring must not be negative, but is {self.centring}")

    def __call__(self, *, batch: RewardBatch) -> LossOut:
        chosen_B, rejected_B = batch.chosen_reward_B, batch.rejected_reward_B
        loss = -logsigmoid(chosen_B - rejected_B - batch.margin_B).mean()
        if self.centring:
            loss = loss + self.centring * (chosen_B + rejected_B).square().mean()
        return LossOut(loss, preference_metrics(chosen_B, rejected_B))


_BATCH = {"chosen_reward_B": (2.0, -1.0), "rejected_reward_B": (2.0, -1.0), "margin_B": (0.0, 0.0)}
SPECIMENS = (
    Specimen(why="equal rewards: log 2, wherever the zero is", batch=_BATCH, loss=math.log(2)),
    Specimen(
        why="log 3 beyond a margin of 1: -log(3/4)",
        batch={**_BATCH, "chosen_reward_B": (3.0 + math.log(3), 0.0 + math.log(3)), "margin_B": (1.0, 1.0)},
        loss=math.log(4 / 3),
    ),
    Specimen(
        why="centring: log 2 + 0.1 (4^2 + 2^2) / 2",
        batch=_BATCH,
        loss=math.log(2) + 1.0,
        settings={"centring": 0.1},
    ),
)
