"""One attack on one goal: what it cost, why it is over, and its first tries under a bandit."""

from typing import Any

import pytest

from gnomon.core.protocols import Attempt, Budget
from gnomon.redteam.attacks.direct import Direct
from gnomon.redteam.effort import total_spent, unbiased
from gnomon.redteam.lanes import Lane

from .conftest import SECRET, goal, judge
from .test_effort import row


def lane(**budget: Any) -> Lane:
    made = Lane("direct", goal(), Direct(repeats=9), Budget(**{"tries": 9} | budget), 0)
    made.begin()
    return made


def said(one: Lane, text: str) -> None:
    assert isinstance(one.step, Attempt)
    one.judged(one.step.prompt.answered(text), "", judge, None)


@pytest.mark.parametrize(
    ("budget", "tries", "ended"),
    [
        ({"tries": 2}, 2, "the attack had no more"),
        ({"tokens": 250}, 3, "budget: tokens"),
        ({"money": 0.5}, 5, "budget: money"),
        ({"seconds": 3.0}, 6, "budget: seconds"),
        ({}, 9, "the attack had no more"),
    ],
)
def test_each_budget_ends_it_after_the_try_that_used_it_up(budget: dict[str, Any], tries: int, ended: str) -> None:
    one = lane(**budget)
    while not one.ended:
        one.paid(100, "endpoint", 0.5, 0.1)
        said(one, "No.")
    assert (one.tries, one.ended, one.broke) == (tries, ended, None)
    assert one.row(timed=False, allocation="even")["counted"] == "endpoint"


def test_a_try_without_a_reply_is_spent_and_evidence_of_nothing() -> None:
    one = lane()
    one.judged(None, "hung up", judge, None)
    said(one, SECRET)
    found = one.row(timed=True, allocation="even")
    assert (found["broke"], found["tries"], found["outcomes"]["error"], found["even"]) == (2, 2, 1, None)


@pytest.mark.parametrize(("breaks_at", "cut"), [(1, 1), (2, 2), (3, None)])
def test_of_a_bandits_lane_only_the_even_tries_are_made_rates_of(breaks_at: int, cut: int | None) -> None:
    one = lane()
    one.even = 2
    while not one.ended:
        one.paid(10, "characters", 0.0, 0.0)
        said(one, SECRET if one.tries + 1 == breaks_at else "No.")
    found = one.row(timed=False, allocation="bandit")
    (kept,) = unbiased([found])
    assert (kept["broke"], kept["tries"], kept["tokens"]) == (cut, min(2, breaks_at), 10 * min(2, breaks_at))
    assert sum(kept["outcomes"].values()) == kept["tries"]
    untried = Lane("direct", goal(), Direct(), Budget(), 0, even=2).row(timed=False, allocation="bandit")
    assert unbiased([untried])[0]["tries"] == 0


def test_rows_of_even_searches_are_taken_whole_and_costs_add_up() -> None:
    rows = [row("1", 2, 2), {**row("2", None, 3), "money": 0.1, "counted": "endpoint and characters"}]
    assert unbiased(rows) == rows
    spent = total_spent(rows)
    assert (spent["tries"], spent["money"], spent["counted"]) == (5, 0.1, "characters and endpoint")
