"""Simple preference optimisation: the mean log-probability of a token is the reward, and it must win by a margin.

L = mean_B -log sigma(beta/|w| log pi(w) - beta/|l| log pi(l) - gamma), w chosen, l rejected, |.| their tokens.
It needs no reference, and nothing holds the policy near one but a small learning rate.
Source: Meng et al. 2405.14734 eq. 6; beta 2.5 and gamma/beta 0.55 are the authors' setting for Llama-3-Instruct.
Shapes: `B` pairs. Units: nats a token, times beta. Fails: watch `chosen_logp`: it may fall while the margin grows.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch.nn.functional import logsigmoid

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import PreferenceBatch
from gnomon.training.losses._terms import Specimen, logp_metrics, preference_metrics


@dataclass(frozen=True, kw_only=True)
class SimPO:
    """Simple preference optimisation."""

    READS: ClassVar[type[PreferenceBatch]] = PreferenceBatch
    NEEDS_REFERENCE: ClassVar[bool] = False

    beta: float = 2.5
    """Scale of the reward; larger than in methods with a reference, because a token's mean is small."""
    gamma: float = 1.375
    """By how much the chosen reply's reward must win; the authors tune gamma/beta between 0 and 1."""

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise SettingsError(f"loss 'simpo': beta must be above 0, not {self.beta}; write for example beta: 2.5")
        if not self.gamma >= 0:
            raise SettingsError(f"loss 'simpo': gamma must not be negative, but is {self.gamma}")

    def __call__(self, *, batch: PreferenceBatch) -> LossOut:
        chosen_B = self.beta * batch.chosen_logp_B / batch.chosen_count_B
        rejected_B = self.beta * batch.rejected_logp_B / batch.rejected_count_B
        loss = -logsigmoid(chosen_B - rejected_B - self.gamma).mean()
        return LossOut(loss, preference_metrics(chosen_B, rejected_B) | logp_metrics(batch))


_BATCH = {
    "chosen_logp_B": (-3.0,),
    "rejected_logp_B": (-2.0 - math.log(3),),
    "chosen_reference_B": (math.nan,),
    "rejected_reference_B": (math.nan,),
    "chosen_count_B": (6.0,),
    "rejected_count_B": (2.0,),
}
SPECIMENS = (
    Specimen(
        why="2 (-3/6 + (2 + log 3)/2) - 1 = log 3: -log(3/4)",
        batch=_BATCH,
        loss=math.log(4 / 3),
        settings={"beta": 2.0, "gamma": 1.0},
    ),
    Specimen(
        why="a win by gamma alone: log 2",
        batch={**_BATCH, "rejected_logp_B": (-2.0,)},
        loss=math.log(2),
        settings={"beta": 2.0, "gamma": 1.0},
    ),
)
