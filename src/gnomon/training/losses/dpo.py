"""Direct preference optimisation: raise chosen over rejected replies, measured against a reference.

With D = log pi/pi_ref(chosen) - log pi/pi_ref(rejected): L = mean_B [-(1-e) log sigma(beta D) - e log sigma(-beta D)]
+ alpha mean_B [-log pi(chosen) / tokens(chosen)]. At pi = pi_ref the first line is log 2, its gradient -beta/2 grad D.
Source: Rafailov 2305.18290 eq. 7; smoothing: Mitchell, "A note on DPO with noisy preferences" (2023);
the last term: Pang et al. 2404.19733 eq. 1, whose length normalisation is per reply.
Departs: TRL's `rpo_alpha` averages the last term over all tokens of the batch, not reply by reply.
Shapes: `B` pairs. Units: nats. Fails: watch `chosen_reward`: it may fall while the margin grows (rpo_alpha holds it).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import PreferenceBatch
from gnomon.training.losses._terms import Specimen, logp_metrics, preference_metrics, rewards, smoothed_logistic


@dataclass(frozen=True, kw_only=True)
class DPO:
    """Direct preference optimisation."""

    READS: ClassVar[type[PreferenceBatch]] = PreferenceBatch
    NEEDS_REFERENCE: ClassVar[bool] = True

    beta: float = 0.1
    """How strongly the policy is held to the reference; the smaller, the further it may go."""
    label_smoothing: float = 0.0
    """Share of pairs believed to be labelled the wrong way round, from 0 to below 0.5."""
    rpo_alpha: float = 0.0
    """Weight of the negative log-likelihood of the chosen reply per token."""

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise SettingsError(f"loss 'dpo': beta must be above 0, not {self.beta}; write for example beta: 0.1")
        if not 0 <= self.label_smoothing < 0.5:
            raise SettingsError(f"loss 'dpo': label_smoothing must be in [0, 0.5), not {self.label_smoothing}")
        if self.rpo_alpha < 0:
            raise SettingsError(f"loss 'dpo': rpo_alpha must not be negative, but is {self.rpo_alpha}")

    def __call__(self, *, batch: PreferenceBatch) -> LossOut:
        chosen_B, rejected_B = rewards(batch, self.beta)
        loss = smoothed_logistic(chosen_B - rejected_B, self.label_smoothing).mean()
        nll = (-batch.chosen_logp_B / batch.chosen_count_B).mean()
        if self.rpo_alpha:
            loss = loss + self.rpo_alpha * nll
        metrics = preference_metrics(chosen_B, rejected_B) | logp_metrics(batch)
        return LossOut(loss, {**metrics, "chosen_nll": nll.item()})


_START = {
    "chosen_logp_B": (-3.0, -8.0),
    "rejected_logp_B": (-5.0, -2.0),
    "chosen_reference_B": (-3.0, -8.0),
    "rejected_reference_B": (-5.0, -2.0),
    "chosen_count_B": (3.0, 4.0),
    "rejected_count_B": (2.0, 2.0),
}
SPECIMENS = (
    Specimen(why="policy = reference: log 2, whatever beta is", batch=_START, loss=math.log(2), settings={"beta": 0.7}),
    Specimen(
        why="smoothing moves nothing where D = 0", batch=_START, loss=math.log(2), settings={"label_smoothing": 0.2}
    ),
    Specimen(why="log 2 + 0.5 (3/3 + 8/4) / 2", batch=_START, loss=math.log(2) + 0.75, settings={"rpo_alpha": 0.5}),
    Specimen(
        why="beta D = log 3 for both pairs, sigma = 3/4: log(4/3)",
        batch={**_START, "chosen_logp_B": (-3.0 + math.log(3), -8.0 + math.log(3))},
        loss=math.log(4 / 3),
        settings={"beta": 1.0},
    ),
    Specimen(
        why="the same with e = 1/4: (3/4) log(4/3) + (1/4) log 4",
        batch={**_START, "chosen_logp_B": (-3.0 + math.log(3), -8.0 + math.log(3))},
        loss=0.75 * math.log(4 / 3) + 0.25 * math.log(4),
        settings={"beta": 1.0, "label_smoothing": 0.25},
    ),
)
