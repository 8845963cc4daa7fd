"""A norm's verdict on a reply, through the scoring functions that the caller passes in.

It builds no dimension, because scoring lies a floor above this room.
Fails: closed; an unscored reply gives None, which callers treat as a finding.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gnomon.charter.schema import DimensionRef, Norm
from gnomon.core.protocols import Direction
from gnomon.core.types import Score, Transcript

Scored = Callable[[DimensionRef, Transcript], Score]
Directed = Callable[[DimensionRef], Direction]


@dataclass(frozen=True)
class Judge:
    """Says whether a reply breaches a norm."""

    score: Scored
    direction: Directed

    def breached(self, norm: Norm, transcript: Transcript) -> bool | None:
        """Whether the reply is a breach; None when the detector could not score it."""
        value = self.score(norm.detector, transcript).value
        if value is None:
            return None
        worse = self.direction(norm.detector) == "higher is worse"
        return value >= norm.breach_at if worse else value < norm.breach_at
