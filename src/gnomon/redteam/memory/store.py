"""What an agent remembers: earlier exchanges, found again by the likeness of their requests.

An exact search over all entries, as honest as a vector database is at its best. It embeds nothing itself and forgets
nothing; whether a text may come in or out is the agent's gate's matter.
Source: case-based memory of agents as MINJA (arXiv 2503.03704) and AgentPoison (arXiv 2407.12784) attack it.
Shapes: rows of length 1, one for each entry. Units: likeness is a cosine, -1 to 1; equal ones: the older first.
Fails: closed; an embedder that gives no unit rows is a DataError.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gnomon.core.errors import DataError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.floating]

Embedder = Callable[[Sequence[str]], "Rows"]
"""Texts to rows of length 1."""


@dataclass(frozen=True)
class Entry:
    """One exchange that an agent remembers."""

    query: str
    answer: str
    poisoned: bool = False
    """Whether it serves an attack: known to who measures, never shown to the agent."""


class Hit(NamedTuple):
    """An entry that was found, and how like its request is."""

    entry: Entry
    likeness: float


@dataclass
class Memory:
    """Entries in the order in which they were written."""

    embed: Embedder
    entries: list[Entry] = field(default_factory=list)
    _rows: "list[Rows]" = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        given, self.entries = self.entries, []
        self.write(given)

    def __len__(self) -> int:
        return len(self.entries)

    def write(self, entries: Iterable[Entry]) -> None:
        """Add entries, the newest last."""
        added = list(entries)
        if added:
            self._rows.append(self._embedded([e.query for e in added]))
            self.entries += added

    def recall(self, query: str, k: int) -> list[Hit]:
        """The `k` entries whose requests are most like this one, the most like first."""
        import numpy as np

        if k < 0:
            raise SettingsError(f"k is {k}; write how many entries are recalled, from 0 up")
        if not self.entries or not k:
            return []
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        likeness = self._rows[0] @ self._embedded([query])[0]
        order = np.argsort(-likeness, kind="stable")[:k]
        return [Hit(self.entries[i], float(likeness[i])) for i in order]

    def copy(self) -> "Memory":
        """Another memory with the same entries, none embedded anew."""
        other = Memory(self.embed)
        other.entries, other._rows = list(self.entries), list(self._rows)
        return other

    def _embedded(self, texts: Sequence[str]) -> "Rows":
        import numpy as np

        rows = self.embed(texts)
        if rows.ndim != 2 or len(rows) != len(texts) or not np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3):
            raise DataError(f"an embedder must give a row of length 1 for each text; it gave the shape {rows.shape}")
        return rows


@dataclass
class Kept:
    """An embedder that embeds no text twice."""

    embed: Embedder
    _known: "dict[str, Rows]" = field(default_factory=dict, repr=False)

    def __call__(self, texts: Sequence[str]) -> "Rows":
        """Rows of the texts, those that are new embedded in one call."""
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else self.embed([])


@dataclass(frozen=True, kw_only=True)
class Hashed:
    """An embedder without weights: words hashed into columns, each counted once, rare ones by `weights` heavier.

    A text without words lies in the last column alone.
    """

    columns: int = 2048
    weights: tuple[float, ...] = ()
    """One a column; empty: all alike."""

    def __call__(self, texts: Sequence[str]) -> "NDArray[np.float64]":
        """One row of length 1 for each text."""
        import numpy as np

        rows = np.zeros((len(texts), self.columns + 1))
        for row, text in zip(rows, texts, strict=True):
            for column in self._columns(text):
                row[column] = self.weights[column] if self.weights else 1.0
            row[-1] = not row.any()
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def fitted(self, texts: Sequence[str]) -> "Hashed":
        """The same columns, weighted by how few of these texts have them (inverse document frequency)."""
        import numpy as np

        times = np.zeros(self.columns)
        for text in texts:
            times[list(self._columns(text))] += 1
        return Hashed(columns=self.columns, weights=tuple(1 + np.log((1 + len(texts)) / (1 + times))))

    def _columns(self, text: str) -> set[int]:
        return {zlib.crc32(word.encode()) % self.columns for word in re.findall(r"\w+", text.lower())}
