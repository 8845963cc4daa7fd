"""How well the programs of our own suites judge, on replies labelled by reading, and what that does to an estimate.

The labels are one reader's, given before the program's verdicts were seen; they lie in `suites/labelled/SUITE.jsonl`:
{"item": id, "reply": text, "labels": {dimension: 0 or 1}}. They speak for replies like these and no others.
Source: Rogan and Gladen 1978 through `scoring.judge_error`.
Units: shares. Fails: closed; a label of an item or dimension that the suite does not have raises DataError.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gnomon.core.canonical import from_builtins
from gnomon.core.errors import DataError
from gnomon.core.files import read_json_lines
from gnomon.core.statistics.correction import Corrected
from gnomon.evaluation.items import Item, Measured, Suite
from gnomon.evaluation.suites import _written
from gnomon.evaluation.suites._replies import spoken
from gnomon.scoring import judge_error
from gnomon.scoring.judge_error import Checked


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a reader found in one reply."""

    item: str
    reply: str
    labels: Mapping[str, int]
    """Dimension to 1 or 0."""


def labels(name: str) -> list[Label]:
    """All labels of a suite; none where it has no file of them."""
    path = _path(name)
    if not path.exists():
        return []
    return [from_builtins(row, Label, where=f"{path}:{n}") for n, row in read_json_lines(path)]


def checked(suite: Suite, name: str) -> dict[str, Checked]:
    """By dimension, what was labelled and what the suite's own program makes of the same replies."""
    items = {i.id: i for i in suite.items(seed=0)}
    found: dict[str, Checked] = {}
    for row in labels(name):
        if row.item not in items:
            raise DataError(f"{_path(name)}: the suite has no item '{row.item}'; label replies to items that it has")
        verdicts = _verdicts(suite, items[row.item], row.reply)
        for dimension, truth in row.labels.items():
            if dimension not in verdicts:
                raise DataError(f"{_path(name)}: '{row.item}' has no value of '{dimension}' for this reply")
            own = found.setdefault(dimension, Checked())
            own.truth.append(truth)
            own.judged.append(verdicts[dimension])
            own.items.append(row.item)
    return found


def corrected(measured: Measured, items: Mapping[str, Item], known: Checked) -> Corrected | None:
    """The estimate corrected for the program's error; None where labels are too few or values are not 0 or 1."""
    values = measured.values
    clusters = [items[i].cluster if i in items else i for i in values]
    return judge_error.corrected(list(values.values()), clusters, known, unit=measured.estimate.unit)


def _verdicts(suite: Suite, item: Item, reply: str) -> dict[str, float]:
    found = suite.measured(items=[item], answers={item.id: spoken(item, reply)})
    return {m.dimension: m.values[item.id] for m in found if item.id in m.values}


def _path(name: str) -> Path:
    return _written.FOLDER.with_name("labelled") / f"{name}.jsonl"
