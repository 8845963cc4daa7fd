"""Chi-squared preference optimisation: DPO with the link z + log z in place of log z, against over-optimisation.

With z = pi/pi_ref and phi(z) = z + log z: L = mean_B -log sigma(clip(beta (phi(z_w) - phi(z_l)), -2R, 2R)).
The link is that of chi-squared plus KL regularisation: a reply far above the reference costs exponentially more than in
DPO. Near z = 1 the gradient is twice DPO's, as d phi / d log z = z + 1.
Source: Huang et al. 2407.13399, Algorithm 1; R bounds the reward.
Departs: log z is capped at 60 inside the exponential, which would overflow; the clip makes larger values equal.
Shapes: `B` pairs. Units: nats; R in units of the reward.
Fails: a pair beyond the clip, right or wrong, has no gradient: watch `clipped`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import logsigmoid

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import PreferenceBatch
from gnomon.training.losses._terms import Specimen, logp_metrics, preference_metrics, rewards

CAP = 60.0
"""Largest log-ratio in the exponential: e^60 leaves room for beta in float32, and is far beyond any clip."""


@dataclass(frozen=True, kw_only=True)
class ChiPO:
    """Chi-squared preference optimisation."""

    READS: ClassVar[type[PreferenceBatch]] = PreferenceBatch
    NEEDS_REFERENCE: ClassVar[bool] = True

    beta: float = 0.1
    """How strongly the policy is held to the reference; the gap in z + log z stops at 2R/beta."""
    r_max: float = 5.0
    """Bound R of the true reward; reward differences are clipped at twice that."""

    def __post_init__(self) -> None:
        for name, value in (("beta", self.beta), ("r_max", self.r_max)):
            if not value > 0:
                raise SettingsError(f"loss 'chi_po': {name} must be above 0, not {value}")

    def __call__(self, *, batch: PreferenceBatch) -> LossOut:
        chosen_B, rejected_B = (self.beta * _link(ratio_B) for ratio_B in rewards(batch, 1.0))
        margin_B, bound = chosen_B - rejected_B, 2 * self.r_max
        loss = -logsigmoid(margin_B.clamp(-bound, bound)).mean()
        clipped = (margin_B.detach().abs() > bound).to(margin_B.dtype).mean().item()
        metrics = preference_metrics(chosen_B, rejected_B) | logp_metrics(batch)
        return LossOut(loss, {**metrics, "clipped": clipped})


def _link(log_ratio_B: Tensor) -> Tensor:
    """z + log z of log z."""
    return log_ratio_B.clamp(max=CAP).exp() + log_ratio_B


_START = {
    "chosen_logp_B": (-3.0, -8.0),
    "rejected_logp_B": (-5.0, -2.0),
    "chosen_reference_B": (-3.0, -8.0),
    "rejected_reference_B": (-5.0, -2.0),
    "chosen_count_B": (3.0, 4.0),
    "rejected_count_B": (2.0, 2.0),
}
SPECIMENS = (
    Specimen(why="policy = reference: log 2", batch=_START, loss=math.log(2)),
    Specimen(
        why="z = 2 against 1: beta (1 + log 2) = log 3, so log(4/3)",
        batch={**_START, "chosen_logp_B": (-3.0 + math.log(2), -8.0 + math.log(2))},
        loss=math.log(4 / 3),
        settings={"beta": math.log(3) / (1 + math.log(2))},
    ),
    Specimen(
        why="the first pair at the clip 2R = log 3, the second at the start: (log(4/3) + log 2) / 2",
        batch={**_START, "chosen_logp_B": (500.0, -8.0)},
        loss=math.log(8 / 3) / 2,
        settings={"r_max": math.log(3) / 2},
    ),
)
