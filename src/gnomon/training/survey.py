"""What repeats in a data set, what of it stands in the test set too, and which rows are broken.

It drops nothing: `intake.take(without=...)` does, by the places that are found here. No row is held (`leakage`).
Source: duplicates: Lee et al. 2107.06499; that test items in the training set inflate results: Yang et al. 2311.04850.
Fails: closed for files that cannot be read; broken rows are counted and the first are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gnomon.training import data, leakage
from gnomon.training.data import Skipped
from gnomon.training.formats import Kind, Row
from gnomon.training.leakage import THRESHOLD, Match

ANY: tuple[Kind, ...] = ("preference", "labelled", "demonstration", "prompt")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found. Places are file:line."""

    rows: int
    """Whole rows."""
    broken: Skipped
    duplicates: Sequence[Match]
    """Rows that repeat an earlier one, prompt and replies together."""
    test_rows: int = 0
    test_broken: Skipped
    leaks: Sequence[Match] = ()
    """Rows whose prompt stands in the test set."""

    @property
    def leaking(self) -> frozenset[str]:
        """Places of the rows that leak: what to train without."""
        return frozenset(match.one for match in self.leaks)


def survey(
    source: str | Path,
    *,
    test: str | Path | None = None,
    split: str = "train",
    test_split: str = "test",
    kinds: Sequence[Kind] = ANY,
    threshold: float = THRESHOLD,
) -> Survey:
    """Duplicates inside a data set, and its leaks from `test`: from `threshold` in similarity on."""
    broken, test_broken = Skipped(), Skipped()
    rows = data.read(source, kinds=kinds, split=split, skipped=broken)
    whole = leakage.sign((row.place, _text(row) + "\n" + "\n".join(row.replies)) for row in rows)
    repeats = leakage.duplicates(whole, threshold=threshold)
    found = Survey(rows=len(whole.places), broken=broken, duplicates=repeats, test_broken=test_broken)
    if test is None:
        return found
    tested = leakage.sign(
        (r.place, _text(r)) for r in data.read(test, kinds=ANY, split=test_split, skipped=test_broken)
    )
    again = ((row.place, _text(row)) for row in data.read(source, kinds=kinds, split=split, skipped=Skipped()))
    leaks = tuple(leakage.leakage(again, tested, threshold=threshold))
    return replace(found, test_rows=len(tested.places), leaks=leaks)


def _text(row: Row) -> str:
    """What a prompt asks: a system message that all rows share would make them all alike."""
    return "\n".join(message.content for message in row.prompt if message.role != "system")
