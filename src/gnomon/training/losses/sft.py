"""Supervised fine-tuning: the mean negative log-likelihood of a reply's token.

L = -sum_B log pi(reply) / sum_B tokens(reply): every token of the batch weighs the same, so long replies weigh more.
It does not train on the prompt, and needs no reference.
Source: maximum likelihood; token weighting as in Ouyang et al. 2203.02155 and TRL's SFT default.
Shapes: `B` demonstrations. Units: nats a token.
Fails: a batch without tokens gives NaN, which the loop refuses.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.protocols import LossOut
from gnomon.training.batches import DemonstrationBatch
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Supervised fine-tuning; it has no settings."""

    READS: ClassVar[type[DemonstrationBatch]] = DemonstrationBatch
    NEEDS_REFERENCE: ClassVar[bool] = False

    def __call__(self, *, batch: DemonstrationBatch) -> LossOut:
        loss = -batch.logp_B.sum() / batch.count_B.sum()
        return LossOut(loss, {"perplexity": math.exp(min(loss.item(), 700.0))})


SPECIMENS = (
    Specimen(
        why="(4 log 50 + 2 log 50) / 6: a uniform model over 50 words has log 50 a token",
        batch={
            "logp_B": (-4 * math.log(50), -2 * math.log(50)),
            "reference_B": (math.nan, math.nan),
            "count_B": (4.0, 2.0),
        },
        loss=math.log(50),
    ),
    Specimen(
        why="(1 + 9) / (1 + 4) = 2, not the mean of 1 and 9/4: tokens weigh the same, not replies",
        batch={"logp_B": (-1.0, -9.0), "reference_B": (math.nan, math.nan), "count_B": (1.0, 4.0)},
        loss=2.0,
    ),
)
