"""Who tries next: the bandit finds the attack that breaks, leaves broken goals, and stops early only when it may."""

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from gnomon.core.protocols import Attempt, Budget, Goal, Reply, Sampling
from gnomon.core.stats import clopper_pearson
from gnomon.core.types import Message, Transcript
from gnomon.redteam.allocation import needed
from gnomon.redteam.search import Plan, Spent, search_all
from gnomon.redteam.spending import Whole

from .conftest import SECRET, Chance, goal, judge


@dataclass(frozen=True)
class Planted:
    """Tries without end, each marked with the attack's name."""

    name: str

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Attempt, Reply, None]:
        for number in range(budget.tries):
            text = f"{self.name} {goal.id} {number}"
            yield Attempt(prompt=Transcript((Message("user", text),)), note=f"{self.name} {number}")


@dataclass
class Rates:
    """Breaks with the rate of the attack that asks, drawn from the request."""

    rates: Mapping[str, float]
    seed: int = 0
    asked: list[str] = field(default_factory=list)
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "rates"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.asked += [p.request for p in prompts]
        return [
            p.answered(
                SECRET if Random(f"{self.seed} {p.request}").random() < self.rates[p.request.split()[0]] else "No."
            )
            for p in prompts
        ]


RATES = {"good": 0.3, "poor": 0.02, "none": 0.0}


def ran(plan: Plan, *, rates: Mapping[str, float] = RATES, goals: int = 30, tries: int = 40, **more: Any) -> Any:
    model = Rates(rates, more.pop("draws", 0))
    spent = Spent()
    rows = list(
        search_all(
            attacks={name: Planted(name) for name in rates},
            goals=[goal(i) for i in range(goals)],
            model=model,
            judge=judge,
            budget=Budget(tries=tries),
            sampling=Sampling(),
            seed=more.pop("seed", 0),
            plan=plan,
            spent=spent,
            **more,
        )
    )
    return rows, model, spent


def broken(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return {r["goal"] for r in rows if r["broke"] is not None}


def test_the_bandit_breaks_more_goals_for_the_same_tries_and_prefers_what_breaks() -> None:
    whole = Whole(tries=150)
    even, bandit = [], []
    for draws in range(6):
        even.append(len(broken(ran(Plan(whole=whole), draws=draws)[0])))
        rows, model, spent = ran(Plan(whole=whole, allocation="bandit"), draws=draws)
        bandit.append(len(broken(rows)))
        assert (spent.tries, spent.ended) == (150, "the run's budget: tries") or bandit[-1] == 30
        assert len(model.asked) == spent.tries <= 150
    assert sum(bandit) > 1.3 * sum(even)
    counts = Counter(text.split()[0] for text in model.asked[90:])  # after one try each
    assert counts["good"] > 3 * counts["none"]


def test_the_same_seed_gives_the_same_rows_and_another_one_does_not() -> None:
    plan = Plan(allocation="bandit", whole=Whole(tries=120))
    first, second, other = (ran(plan, seed=seed)[0] for seed in (0, 0, 1))
    assert first == second != other


def test_every_attack_has_its_even_tries_on_every_goal_before_anything_is_chosen() -> None:
    rows, model, _ = ran(Plan(allocation="bandit", bandit_even=2), tries=5)
    assert len(rows) == 90
    assert all(r["even"]["tries"] == 2 or r["broke"] == r["even"]["tries"] == 1 for r in rows)
    left = [r for r in rows if str(r["ended"]).startswith("the goal broke under")]
    assert left
    assert {r["goal"] for r in left} <= broken(rows)
    first = set(model.asked[: len(set(model.asked))])
    assert {f"{a} {goal(i).id} 0" for a in RATES for i in range(30)} <= first


def test_a_goal_that_broke_is_left_alone() -> None:
    rows, model, _ = ran(Plan(allocation="bandit", bandit_even=0), rates={"good": 1.0, "poor": 1.0}, goals=10)
    assert len(model.asked) == 10
    assert len(broken(rows)) == 10


@pytest.mark.parametrize("below", [0.5, 0.1, 0.02])
def test_the_goals_that_a_stop_needs_are_the_fewest_that_bound_the_rate(below: float) -> None:
    n = needed(below)
    assert clopper_pearson(0, n, 0.95, sides=1).high <= below + 1e-9
    assert clopper_pearson(0, n - 1, 0.95, sides=1).high > below


@pytest.mark.parametrize("allocation", ["even", "bandit"])
def test_nothing_broke_on_enough_goals_and_the_rest_is_not_tried(allocation: Any) -> None:
    plan = Plan(stop_below=0.2, allocation=allocation)
    rows, model, _ = ran(plan, rates={"none": 0.0, "nil": 0.0}, goals=60, tries=3)
    tried = {r["goal"] for r in rows if r["tries"]}
    assert len(rows) == 120
    if allocation == "even":
        assert len(tried) == needed(0.2) == 14
        assert len(model.asked) == 14 * 2 * 3
        stopped = [r for r in rows if str(r["ended"]).startswith("early stop: no break on 14 goals")]
        assert len(stopped) == 46 * 2
    drawn = {r["goal"] for r in ran(plan, rates={"none": 0.0, "nil": 0.0}, goals=60, tries=3, seed=1)[0] if r["tries"]}
    assert allocation == "bandit" or drawn != tried, "the goals are a sample, not the first"


def test_one_break_and_all_goals_are_tried() -> None:
    rows, _, _ = ran(Plan(stop_below=0.2), rates={"good": 0.5}, goals=60, tries=3)
    assert all(r["tries"] for r in rows)


def test_a_stop_is_claimed_wrongly_as_seldom_as_stated() -> None:
    """Goals of which just more than the line break: at most 5 % of searches may say that fewer do."""
    rate, wrong = 0.21, 0
    for seed in range(200):
        model = Chance(0.0)
        rows = list(
            search_all(
                attacks={"sure": Planted("sure")},
                goals=[goal(i) for i in range(40)],
                model=Rates({"sure": rate}, seed),
                judge=judge,
                budget=Budget(tries=1),
                sampling=Sampling(),
                seed=seed,
                plan=Plan(stop_below=0.2),
            )
        )
        assert not model.calls
        wrong += any(str(r["ended"]).startswith("early stop") for r in rows)
    expected = (1 - rate) ** needed(0.2)
    assert wrong / 200 <= 0.05 + 2 * math.sqrt(expected / 200)


def test_a_search_whose_budget_ends_early_has_tried_a_sample_of_the_goals_with_every_attack() -> None:
    rows, _, spent = ran(Plan(whole=Whole(tries=30)), rates={"none": 0.0, "nil": 0.0}, goals=60)
    tried = {r["goal"] for r in rows if r["tries"]}
    assert (len(tried), spent.tries) == (15, 30)
    assert tried != {goal(i).id for i in range(15)}
    assert {r["ended"] for r in rows} == {"the run's budget: tries"}
