"""A defence: of the entries that are recalled together, those whose answers are unlike the others' are left out.

It reads no meaning. Where poisoned entries are in the majority, it is the benign ones that look odd.
Source: the consensus among related memories as a test, A-MemGuard (arXiv 2510.02373), cut down to likeness of answers.
Units: cosines. Fails: open; with fewer than three entries there is no consensus, and all are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.redteam.memory.store import Embedder, Hit


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """Filters what was recalled."""

    embed: Embedder
    share: float = 0.5
    """An entry goes whose mean likeness to the others is below this share of the median entry's."""

    def __call__(self, hits: Sequence[Hit]) -> list[Hit]:
        """The entries that are enough like the others, in their order."""
        import numpy as np

        if len(hits) < 3:
            return list(hits)
        rows = self.embed([hit.entry.answer for hit in hits])
        alike = ((rows @ rows.T).sum(1) - 1) / (len(hits) - 1)
        bar = self.share * float(np.median(alike))
        return [hit for hit, likeness in zip(hits, alike, strict=True) if likeness >= bar]
