"""Odds-ratio preference optimisation: fine-tuning on chosen replies that also raises their odds over rejected ones.

With p = exp(log pi(reply) / tokens) and odds = p / (1 - p):
L = mean_B [-log p(chosen) - lambda log sigma(log odds(chosen) - log odds(rejected))]. It needs no reference.
Source: Hong et al. 2403.07691 eq. 6 and 7; log(1 - exp x) by the branch that does not cancel: Maechler 2012.
Departs: TRL's first term also counts the prompt's tokens and averages over all tokens of the batch, not reply by reply.
Shapes: `B` pairs. Units: nats a token.
Fails: at p = 1 odds are infinite; p is held one rounding step below, without gradient there.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import PreferenceBatch
from gnomon.training.losses._terms import Specimen, logp_metrics, preference_metrics


@dataclass(frozen=True, kw_only=True)
class ORPO:
    """Odds-ratio preference optimisation."""

    READS: ClassVar[type[PreferenceBatch]] = PreferenceBatch
    NEEDS_REFERENCE: ClassVar[bool] = False

    lam: float = 0.1
    """Weight of the odds-ratio term beside the chosen reply's negative log-likelihood."""

    def __post_init__(self) -> None:
        if not self.lam >= 0:
            raise SettingsError(f"loss 'orpo': lam must not be negative, but is {self.lam}")

    def __call__(self, *, batch: PreferenceBatch) -> LossOut:
        chosen_B = batch.chosen_logp_B / batch.chosen_count_B
        rejected_B = batch.rejected_logp_B / batch.rejected_count_B
        odds_ratio_B = _log_odds(chosen_B) - _log_odds(rejected_B)
        nll = -chosen_B.mean()
        loss = nll - self.lam * logsigmoid(odds_ratio_B).mean()
        metrics = {"chosen_nll": nll.item(), "log_odds_ratio": odds_ratio_B.detach().mean().item()}
        return LossOut(loss, preference_metrics(chosen_B, rejected_B) | logp_metrics(batch) | metrics)


def _log_odds(logp_B: Tensor) -> Tensor:
    """log(p / (1 - p)) of log p."""
    logp_B = logp_B.clamp(max=-torch.finfo(logp_B.dtype).eps)
    near_B = logp_B > -math.log(2)
    # Both branches are computed, so each must stay finite, also backwards, where the other one is taken.
    small_B = torch.where(near_B, logp_B, -1.0)
    large_B = torch.where(near_B, -1.0, logp_B)
    return logp_B - torch.where(near_B, torch.log(-torch.expm1(small_B)), torch.log1p(-torch.exp(large_B)))


_BATCH = {
    "chosen_logp_B": (2 * math.log(0.75),),
    "rejected_logp_B": (3 * math.log(0.25),),
    "chosen_reference_B": (math.nan,),
    "rejected_reference_B": (math.nan,),
    "chosen_count_B": (2.0,),
    "rejected_count_B": (3.0,),
}
SPECIMENS = (
    Specimen(
        why="odds 3 against 1/3: log(4/3) + 0.5 log(10/9)",
        batch=_BATCH,
        loss=math.log(4 / 3) + 0.5 * math.log(10 / 9),
        settings={"lam": 0.5},
    ),
    Specimen(
        why="equal odds: log 2 + 0.1 log 2",
        batch={**_BATCH, "chosen_logp_B": (2 * math.log(0.5),), "rejected_logp_B": (3 * math.log(0.5),)},
        loss=1.1 * math.log(2),
    ),
    Specimen(
        why="without the odds term: supervised fine-tuning on the chosen reply",
        batch=_BATCH,
        loss=math.log(4 / 3),
        settings={"lam": 0.0},
    ),
)
