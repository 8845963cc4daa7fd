"""Identity preference optimisation: a fixed gap between chosen and rejected, so certain labels cannot push for ever.

With D = log pi/pi_ref(chosen) - log pi/pi_ref(rejected): L = mean_B (D - 1/(2 tau))^2. Where one reply always wins,
DPO's D grows without bound; here it stops at 1/(2 tau), so that `margin` (tau D) settles at 1/2.
Source: Azar et al. 2310.12036 eq. 17.
Departs: `length_average` divides each log-ratio by its reply's tokens, as TRL always does; the default is the paper's.
Shapes: `B` pairs. Units: nats (squared). Fails: sums of long replies start far from the target: the first loss is
1/(4 tau^2) and its gradient 1/tau, so clip gradients or average lengths.
"""

from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import PreferenceBatch
from gnomon.training.losses._terms import Specimen, logp_metrics, preference_metrics, rewards


@dataclass(frozen=True, kw_only=True)
class IPO:
    """Identity preference optimisation."""

    READS: ClassVar[type[PreferenceBatch]] = PreferenceBatch
    NEEDS_REFERENCE: ClassVar[bool] = True

    tau: float = 0.1
    """How strongly the policy is held to the reference; the gap aims at 1/(2 tau)."""
    length_average: bool = False
    """Whether log-ratios are per token and not summed over the reply."""

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise SettingsError(f"loss 'ipo': tau must be above 0, not {self.tau}; write for example tau: 0.1")

    def __call__(self, *, batch: PreferenceBatch) -> LossOut:
        chosen_B, rejected_B = rewards(batch, self.tau)
        if self.length_average:
            chosen_B, rejected_B = chosen_B / batch.chosen_count_B, rejected_B / batch.rejected_count_B
        loss = (((chosen_B - rejected_B) - 0.5) / self.tau).square().mean()
        return LossOut(loss, preference_metrics(chosen_B, rejected_B) | logp_metrics(batch))


_BATCH = {
    "chosen_logp_B": (-3.0, -6.0),
    "rejected_logp_B": (-5.0, -4.0),
    "chosen_reference_B": (-3.0, -7.0),
    "rejected_reference_B": (-5.0, -3.0),
    "chosen_count_B": (3.0, 1.0),
    "rejected_count_B": (2.0, 1.0),
}
SPECIMENS = (
    Specimen(
        why="policy = reference: 1/(4 tau^2) = 25",
        batch={k: v[:1] for k, v in _BATCH.items()},
        loss=25.0,
    ),
    Specimen(why="D = 0 and 2, target 1: both miss by 1", batch=_BATCH, loss=1.0, settings={"tau": 0.5}),
    Specimen(
        why="per token: (6/3 - (-2/2) - 1)^2 = 4",
        batch={**{k: v[:1] for k, v in _BATCH.items()}, "chosen_logp_B": (3.0,), "rejected_logp_B": (-7.0,)},
        loss=4.0,
        settings={"tau": 0.5, "length_average": True},
    ),
)
