"""Several reward models as one Dimension: their standardised rewards combined by a rule that may be pessimistic.

Each member costs a pass; `training/warm` averages weights instead. It trains nothing and knows no reward but these;
the formulas are in `core/aggregates`.
Source: Coste et al. 2310.02743, section 3: mean, worst-case (WCO), uncertainty-weighted (UWO).
Departs: rewards are standardised member by member before they are combined, as their scales differ.
Shapes: `M` members, `B` replies. Units: standard deviations of a member's rewards.
Fails: errors that all members share survive every rule (Eisenstein et al. 2312.09244); no members is a SettingsError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gnomon.core import aggregates
from gnomon.core.canonical import digest
from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Direction
from gnomon.core.types import Score, Transcript
from gnomon.models.reward_model import RewardModel

Rule = Literal["mean", "worst_case", "uncertainty_weighted"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """Reward models that judge together."""

    members: tuple[RewardModel, ...]
    rule: Rule = "mean"
    """`worst_case` is the lowest member; `uncertainty_weighted` the mean less `strength` times the variance."""
    strength: float = 0.5
    """Lambda: how much disagreement costs."""
    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not self.members:
            raise SettingsError("an ensemble needs at least one reward model")
        if self.rule not in ("mean", "worst_case", "uncertainty_weighted") or self.strength < 0:
            raise SettingsError(
                f"an ensemble's rule is mean, worst_case or uncertainty_weighted with a strength from 0 on, "
                f"not {self.rule} with {self.strength}"
            )

    @property
    def identity(self) -> Mapping[str, str]:
        """The members' names, and a digest of their weights."""
        names = ", ".join(member.identity["name"] for member in self.members)
        return {"name": f"{self.rule} of {names}", "weights": digest([m.identity["weights"] for m in self.members])}

    def score(self, *, transcript: Transcript) -> Score:
        """Sigmoid of the combined reward: 0.5 is an average reply."""
        return self.scores(transcripts=[transcript])[0]

    def scores(self, *, transcripts: Sequence[Transcript]) -> list[Score]:
        """The same of several replies, which costs less; one that a member cannot judge is unscored."""
        left = [next((r for m in self.members if isinstance(r := m.read(t), str)), "") for t in transcripts]
        read = [t for t, reason in zip(transcripts, left, strict=True) if not reason]
        values = iter(torch.sigmoid(self.standardised(read)).tolist())
        return [Score.unscored(reason) if reason else Score(value=next(values)) for reason in left]

    def standardised(self, transcripts: Sequence[Transcript]) -> Tensor:
        """Combined reward of each last reply, `B`."""
        return combine(torch.stack([m.standardised(transcripts) for m in self.members]), self.rule, self.strength)


def combine(reward_MB: Tensor, rule: Rule, strength: float) -> Tensor:
    """Rewards of all members as one, `B`; the variance is over these members, not an estimate for others.

    >>> combine(torch.tensor([[1.0], [3.0]]), "uncertainty_weighted", 0.5).item()
    1.5
    """
    if rule == "worst_case":
        return aggregates.worst_case(reward_MB)
    if rule == "mean":
        return aggregates.mean(reward_MB)
    return aggregates.uncertainty_weighted(reward_MB, strength)
