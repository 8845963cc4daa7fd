"""How well each norm's detector judges, as far as that is known, and what it does to the success of attacks.

Known from labelled replies (`--labels FILE`), else from the charter's own examples, which the detector was made to get
right, so they flatter it. The first try of a goal is one reply, so its success is corrected exactly; over more tries
the same false alarms add up, and what they alone would break is said beside it.
Source: Rogan and Gladen 1978 through `scoring.judge_error`.
Units: shares. Fails: closed for a label of a norm that is not there; without labels: "detector's error not measured".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gnomon.charter.schema import Charter, Norm
from gnomon.cli import console
from gnomon.core.canonical import from_builtins
from gnomon.core.errors import DataError, choices
from gnomon.core.files import read_json_lines
from gnomon.core.statistics.correction import Corrected
from gnomon.core.types import Message, Transcript
from gnomon.redteam.effort import Row, clusters
from gnomon.scoring import judge
from gnomon.scoring.judge_error import LEAST, Checked, corrected

NOT_MEASURED = "detector's error not measured"
Source = Literal["labelled replies", "the charter's examples"]


@dataclass(frozen=True, kw_only=True)
class Label:
    """A reply that somebody read."""

    norm: str
    reply: str
    broken: bool
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one norm's detector, and the success of attacks on it."""

    norm: str
    source: Source | None
    """None: its error was not measured."""
    labelled: int
    first: Corrected | None
    """Goals broken by the first reply: as the detector says, and corrected; with sensitivity and specificity."""
    tries: int
    """Most tries of one attack on one goal."""
    false_alarms: float | None
    """Share of goals that false alarms alone would break within so many tries, if they came independently."""

    @property
    def sentence(self) -> str:
        """For a person."""
        if self.first is None:
            why = f" ({self.labelled} labels; {LEAST} of each truth are needed)" if self.labelled else ""
            return NOT_MEASURED + why
        return f"from {self.labelled} {self.source}"


def known(charter: Charter, rows: Sequence[Row], labels: Path | None = None) -> list[Known]:
    """One for each norm that was attacked, in the charter's order."""
    given = _labels(charter, labels) if labels else {}
    attacked = {row["norm"] for row in rows}
    return [
        _known(n, [r for r in rows if r["norm"] == n.id], given.get(n.id)) for n in charter.norms if n.id in attacked
    ]


def _known(norm: Norm, rows: Sequence[Row], labels: Sequence[Label] | None) -> Known:
    seen = checked(norm, labels if labels is not None else _examples(norm))
    first = clusters(rows, 1)
    found = corrected([float(b) for _, b in first], [f for f, _ in first], seen, unit="rate") if first else None
    most = max((int(row["tries"]) for row in rows), default=0)
    return Known(
        norm=norm.id,
        source=None if found is None else "labelled replies" if labels is not None else "the charter's examples",
        labelled=len(seen.truth),
        first=found,
        tries=most,
        false_alarms=None if found is None else 1 - found.specificity.value**most,
    )


def checked(norm: Norm, labels: Sequence[Label]) -> Checked:
    """Labels beside the detector's verdicts; a reply that it cannot score counts as one that it lets pass."""
    detector = judge.build(norm.detector.kind, norm.detector.settings)
    found = Checked()
    for label in labels:
        before = (Message("user", label.request),) if label.request else ()
        said = Transcript((*before, Message("assistant", label.reply)))
        found.truth.append(int(label.broken))
        found.judged.append(float(judge.judged(detector, said, norm.breach_at).breached))
        found.items.append(label.request or label.reply)
    return found


def _examples(norm: Norm) -> list[Label]:
    parts = ((norm.examples.broken, True), (norm.examples.kept, False), (norm.instead, False))
    return [Label(norm=norm.id, reply=text, broken=broken) for texts, broken in parts for text in texts]


def _labels(charter: Charter, path: Path) -> Mapping[str, list[Label]]:
    found: dict[str, list[Label]] = {}
    norms = [n.id for n in charter.norms]
    for number, row in read_json_lines(path):
        label = from_builtins(row, Label, where=f"{path}:{number}")
        if label.norm not in norms:
            raise DataError(f"{path}:{number}: no norm '{label.norm}' in the charter; {choices(label.norm, norms)}")
        found.setdefault(label.norm, []).append(label)
    return found


def table(found: Sequence[Known]) -> None:
    """A row a norm."""
    rows = [
        (
            one.norm,
            console.shown(one.first.sensitivity) if one.first else "–",
            console.shown(one.first.specificity) if one.first else "–",
            console.shown(one.first.apparent) if one.first else "–",
            console.shown(one.first.corrected) if one.first else "–",
            f"{one.false_alarms:.0%} of goals in {one.tries}" if one.false_alarms is not None else "–",
            one.sentence,
        )
        for one in found
    ]
    columns = ("norm", "sensitivity", "specificity", "first try, raw", "corrected", "by false alarms alone", "known")
    console.table("The detectors' own error", columns, rows)
