"""How well a program or detector judges, on replies whose truth people labelled, and what that does to a rate.

Labels speak for replies like these and no others. Below five of either truth nothing is corrected.
Source: Rogan and Gladen 1978 through `statistics.correction`, which counts the labels' own sampling error too.
Units: shares. Fails: open; where too little is known, or values are not 0 or 1, there is no correction (None).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnomon.core.statistics.correction import Corrected

LEAST = 5
"""Labels of each truth from which on a correction is made."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Labels and verdicts, side by side."""

    truth: list[int] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    """What each reply answers, which is its cluster."""

    @property
    def enough(self) -> bool:
        """Whether both truths are there often enough to say how well either is told."""
        return min(self.truth.count(0), self.truth.count(1)) >= LEAST


def corrected(values: Sequence[float], clusters: Sequence[str], known: Checked, *, unit: str) -> "Corrected | None":
    """The rate of the values corrected for the judge's error."""
    # Statistics need numpy, which the rest of this room does without.
    from gnomon.core.statistics.correction import rogan_gladen

    if not known.enough or not values or not {*values, *known.judged} <= {0.0, 1.0}:
        return None
    return rogan_gladen(
        [int(v) for v in values],
        clusters,
        truth=known.truth,
        judged=[int(v) for v in known.judged],
        judged_clusters=known.items,
        unit=unit,
    )
