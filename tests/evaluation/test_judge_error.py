"""Verdicts of a suite's program beside labels, and what they do to an estimate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gnomon.core.errors import DataError
from gnomon.core.statistics.correction import rogan_gladen
from gnomon.evaluation.items import Answer, Item, Measured
from gnomon.evaluation.judge_error import checked, corrected, labels
from gnomon.evaluation.suites import _written
from gnomon.evaluation.suites._replies import asking, spoken, value
from gnomon.evaluation.suites._values import mean


@dataclass(frozen=True)
class Yes:
    """A suite whose program looks for one word."""

    def items(self, *, seed: int) -> Sequence[Item]:
        return [Item(id=str(n), cluster=str(n), prompt=asking(f"Question {n}?")) for n in range(40)]

    def measured(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Measured]:
        found = [value(i, answers, lambda t: float("yes" in t.reply)) for i in items]
        return [mean("yes", found, direction="higher is better")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_written, "FOLDER", tmp_path / "written")
    (tmp_path / "labelled").mkdir()
    return tmp_path / "labelled"


def write(folder: Path, rows: Sequence[tuple[str, str, int]]) -> None:
    lines = [json.dumps({"item": i, "reply": r, "labels": {"yes": t}}) for i, r, t in rows]
    (folder / "yes.jsonl").write_text("\n".join(lines))


def test_no_file_is_no_label(folder: Path) -> None:
    assert labels("yes") == []
    assert checked(Yes(), "yes") == {}


def test_an_estimate_is_corrected_for_the_errors_that_the_labels_show(folder: Path) -> None:
    # Of ten true ones it sees eight, of ten false ones it takes one.
    truths = [("sure", 1)] * 2 + [("yes", 1)] * 8 + [("yes", 0)] + [("no", 0)] * 9
    write(folder, [(str(n), reply, truth) for n, (reply, truth) in enumerate(truths)])
    found = checked(Yes(), "yes")["yes"]
    assert found.enough
    assert (sum(found.judged), len(found.judged)) == (9, 20)
    items = Yes().items(seed=0)
    answers = {i.id: spoken(i, "yes" if int(i.id) < 28 else "no") for i in items}
    (measured,) = Yes().measured(items=items, answers=answers)
    known = corrected(measured, {i.id: i for i in items}, found)
    assert known
    assert known.apparent.value == pytest.approx(0.7)
    assert known.corrected.value == pytest.approx((0.7 + 0.9 - 1) / (0.8 + 0.9 - 1))
    flags = [1] * 28 + [0] * 12
    truth, judged = [t for _, t in truths], [int("yes" in r) for r, _ in truths]
    assert known == rogan_gladen(flags, [i.id for i in items], truth=truth, judged=judged)


def test_too_few_labels_correct_nothing(folder: Path) -> None:
    items = Yes().items(seed=0)
    (measured,) = Yes().measured(items=items, answers={i.id: spoken(i, "yes") for i in items})
    for others, enough in ((4, False), (5, True)):
        write(folder, [(str(n), "yes", 1) for n in range(9)] + [(str(9 + n), "no", 0) for n in range(others)])
        found = checked(Yes(), "yes")["yes"]
        assert found.enough is enough
        assert (corrected(measured, {i.id: i for i in items}, found) is not None) is enough


@pytest.mark.parametrize(
    ("row", "said"), [({"item": "99"}, "no item '99'"), ({"labels": {"no": 1}}, "no value of 'no'")]
)
def test_a_label_of_something_else_is_refused(folder: Path, row: dict[str, object], said: str) -> None:
    (folder / "yes.jsonl").write_text(json.dumps({"item": "1", "reply": "yes", "labels": {"yes": 1}} | row))
    with pytest.raises(DataError, match=said):
        checked(Yes(), "yes")
