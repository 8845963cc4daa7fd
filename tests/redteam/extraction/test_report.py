"""Groups by repeats: means and rates of their rows, what falls, what a model that only answers leaves out."""

from typing import Any

import pytest

pytest.importorskip("torch")

from gnomon.core.canonical import to_builtins
from gnomon.core.types import Estimate
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.extraction import report
from gnomon.redteam.extraction.canaries import make
from gnomon.redteam.extraction.exposure import Exposed


def row(id: str, repeats: int, bits: float, logp: float, said: bool, high: float | None = None) -> dict[str, Any]:
    estimate = Estimate(value=bits, low=bits, high=bits if high is None else high, n=1, unit="bits", method="m")
    known = Exposed(id=id, repeats=repeats, logp=logp, exposure=estimate)
    return {
        "id": id, "repeats": repeats, "bits": 20.0, "asked": said, "continued": said, "known": to_builtins(known),
    }  # fmt: skip


def test_groups_hold_means_rates_and_the_area_against_controls() -> None:
    rows = [row(f"a{i}", 0, 1.0, -20.0 - i, False) for i in range(4)]
    rows += [row(f"b{i}", 1, 2.0 + i, -22.5 + i, False) for i in range(4)]
    rows += [row(f"c{i}", 64, 20.0, -0.1, True) for i in range(4)]
    rows[-1] = row("c3", 64, 8.0, -5.0, False, high=20.0)
    control, once, often = report.groups(rows)
    assert (control.repeats, control.area) == (0, None)
    assert once.exposure is not None
    assert often.continued is not None
    assert once.area is not None
    assert (once.exposure.value, often.continued.value, once.area.value) == (3.5, 0.75, 10 / 16)
    assert (often.exact, often.capped) == (3, 1)
    assert report.falls([control, once, often]) == []


def test_a_group_that_is_known_whole_has_the_most_there_is() -> None:
    bits = 8 * 3.3219280948873626
    rows = [row(f"a{i}", 64, bits, -0.1, True) | {"bits": bits} for i in range(25)]
    (group,) = report.groups(rows)
    assert group.exposure is not None
    assert group.exposure.value == pytest.approx(bits)
    assert group.exposure.low < bits


def test_what_falls_is_named_with_by_how_much() -> None:
    rows = [row("a", 1, 5.0, -1.0, True), row("b", 1, 5.0, -1.0, True), row("c", 4, 2.0, -1.0, False)]
    fallen = report.falls(report.groups([*rows, row("d", 4, 2.0, -1.0, True)]))
    assert [(f.figure, f.fewer, f.more, f.by) for f in fallen] == [
        ("exposure", 1, 4, 3.0),
        ("continued", 1, 4, 0.5),
        ("asked", 1, 4, 0.5),
    ]


def test_rows_of_a_model_here_and_of_one_that_only_answers(letters: Any) -> None:
    canaries = make(repeats=[1, 2], each=2, controls=2)
    here = report.rows(letters, canaries, sample=16, searched=0)
    assert [g.repeats for g in report.groups(here)] == [0, 1, 2]
    assert all(g.exposure is not None and g.exposure.n == 2 for g in report.groups(here))
    said = str(here)
    assert not any(c.secret in said for c in canaries), "rows are kept and shown: no secret may stand in them"
    there = report.rows(ScriptedModel(default=canaries[3].reply), canaries, sample=16, searched=0)
    groups = report.groups(there)
    assert [g.asked.value for g in groups] == [0.0, 0.0, 0.5]
    assert all(g.exposure is None and g.continued is None for g in groups)
    assert report.falls(groups) == []
