"""What a judge says of a rollout: what it earned, and which norms it broke; never one number for both.

It judges nothing by itself: any Dimension, reward model or plain function can be the judge.
Units: the reward in the judge's own, more is better; costs: positive is unsafe.
Fails: closed; a norm that could not be judged (None) counts as broken; a reward that could not (None) leaves it out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gnomon.core.errors import DataError
from gnomon.core.protocols import Dimension
from gnomon.core.types import Transcript
from gnomon.scoring import judge


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The judgement of one rollout."""

    reward: float | None
    """None: unscored; the rollout is left out and counted."""
    broken: Mapping[str, bool | None] = field(default_factory=dict)
    """Id of each norm that was looked at, and whether it broke; None: could not be judged."""
    cost: float | None = None
    """For a Lagrangian: how unsafe, with 0 on the border; if not said, 1 if a norm broke, else 0."""
    reason: str = ""
    """Why there is no reward."""

    def __post_init__(self) -> None:
        for name in ("reward", "cost"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise DataError(f"a judge gave a {name} of {value}; give None and a reason if there is none")

    @property
    def breaches(self) -> tuple[str, ...]:
        """Norms that broke or could not be judged."""
        return tuple(norm for norm, broke in sorted(self.broken.items()) if broke is not False)

    @property
    def harm(self) -> float:
        """The cost, stated or implied."""
        return float(bool(self.breaches)) if self.cost is None else self.cost


Judge = Callable[[Sequence[Transcript]], Sequence[Judged]]
"""Transcripts with their replies to judgements, in order."""


def by(reward: Dimension, norms: Mapping[str, tuple[Dimension, float]] | None = None) -> Judge:
    """A judge from a reward and, for each norm's id, its detector and the value at which it is broken."""
    sign = -1.0 if reward.direction == "higher is worse" else 1.0

    def judged(transcripts: Sequence[Transcript]) -> list[Judged]:
        earned = judge.scores(reward, transcripts)
        found = {
            norm: [judge.breached(s, detector, at) for s in judge.scores(detector, transcripts)]
            for norm, (detector, at) in (norms or {}).items()
        }
        return [
            Judged(
                reward=None if score.value is None else sign * score.value,
                broken={norm: broken[i] for norm, broken in found.items()},
                reason=score.reason,
            )
            for i, score in enumerate(earned)
        ]

    return judged
