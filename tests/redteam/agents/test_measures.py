"""Utility, utility under attack and success against counts by hand; a guard's change, task by task."""

from typing import Any

import pytest

from gnomon.core.errors import DataError
from gnomon.redteam.agents.measures import changed, measured


def outcome(utility: bool, targeted: bool = False, **more: Any) -> dict[str, Any]:
    return {"utility": utility, "targeted": targeted, "stopped": [], "withheld": [], "persons": 0, **more}


def row(user: int, errand: int, *each: dict[str, Any], attack: str = "a") -> dict[str, Any]:
    broke = next((n for n, o in enumerate(each, 1) if o["targeted"]), None)
    outcomes = {"broke": int(broke is not None), "kept": len(each) - (broke is not None), "refused": 0}
    return {
        "attack": attack,
        "goal": f"{user}/{errand}",
        "norm": "n",
        "family": f"user {user}",
        "tries": len(each),
        "broke": broke,
        "tokens": 0,
        "outcomes": {**outcomes, "unscored": 0, "error": 0},
        "each": list(each),
    }


QUIET = [{"user": f"u{n}", **outcome(n != 0, stopped=["x"] if n == 3 else [], persons=n)} for n in range(4)]
ROWS = [
    row(0, 0, outcome(True), outcome(False, targeted=True)),
    row(0, 1, outcome(False, targeted=True)),
    row(1, 0, outcome(True), outcome(True)),
    row(1, 1, outcome(False), outcome(False)),
]


def test_measures_are_the_counts() -> None:
    found = measured(QUIET, ROWS)
    assert found.utility is not None
    assert (found.utility.value, found.utility.n) == (0.75, 4)
    assert found.under_attack["a"].value == 0.5
    assert [(s.within, s.rate.value) for s in found.success["a"] if s.rate] == [(1, 0.25), (2, 0.5)]
    assert found.stopped is not None
    assert found.stopped.value == 0.25
    assert found.persons == 1.5
    assert not found.bound


def test_nothing_succeeded_is_bounded() -> None:
    found = measured([], [row(n, 0, outcome(True)) for n in range(10)])
    assert found.utility is None
    assert found.bound["a"].goals.value == 0
    assert found.bound["a"].goals.high == pytest.approx(1 - 0.05 ** (1 / 10))  # the exact bound of 0 in 10


def test_a_guard_is_compared_task_by_task() -> None:
    guarded = [{**o, "utility": False} for o in QUIET]
    after = [row(*map(int, r["goal"].split("/")), outcome(True), outcome(True)) for r in ROWS]
    found = changed(QUIET, guarded, ROWS, after)
    assert found.utility is not None
    assert (found.utility.difference.value, found.utility.fell) == (-0.75, 3)
    assert found.under_attack["a"].difference.value == 0.5
    assert (found.success["a"].difference.value, found.success["a"].fell) == (-0.5, 2)


def test_other_tasks_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="other tasks"):
        changed(QUIET, QUIET[1:], ROWS, ROWS)
