"""Does a bandit over attacks find more breaks for the same tries, and what may be estimated from its rows?

    python experiments/bandit_allocation.py [--quick] [--json]

Planted worlds: 120 goals, five attacks, a chance of each try to break that is known. "alike": an attack has one
chance on all goals. "mixed": half of the goals resist twenty times better. The engine itself searches, against a
stand-in model that breaks by these chances. Even: every attack makes up to 3 tries on every goal, so the expected
goals and tries have a closed form, G(1 - prod(1-p)^3) and G sum((1-(1-p)^3)/p), against which the engine is held. The
bandit then gets those tries, rounded, as the budget of its run. Beside it "uniform": tries on unbroken goals by lot,
which tells what leaving broken goals is worth without any learning, and "best": only the best attack, on unbroken
goals, which nobody can know.
Honesty: for each attack the chance that a first try breaks, known, against the estimate from a bandit's even tries,
and the naive one from all its tries (breaks over tries). A z of the mean over seeds beyond 3 is bias.
Intervals: mean over seeds +- 1.96 standard errors; an interval of a world's seeds, not of models.
"""

import argparse
import json
import math
import statistics
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gnomon.core.protocols import Attempt, Budget, Goal, Reply, Sampling
from gnomon.core.types import Message, Score, Transcript
from gnomon.redteam.effort import unbiased
from gnomon.redteam.search import Plan, Spent, search_all
from gnomon.redteam.spending import Whole
from gnomon.scoring.judge import Judged

RATES = {"a": 0.002, "b": 0.005, "c": 0.01, "d": 0.02, "e": 0.08}
GOALS, TRIES, SEEDS, MOST = 120, 3, 24, 60
HARDER = 20
WORLDS = ("alike", "mixed")


def hard(world: str, goal: str) -> bool:
    return world == "mixed" and int(goal) % 2 == 1


def chance(world: str, attack: str, goal: str) -> float:
    return RATES[attack] / (HARDER if hard(world, goal) else 1)


@dataclass(frozen=True)
class Tries:
    """Tries that say whose they are."""

    name: str

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Attempt, Reply, None]:
        for number in range(budget.tries):
            yield Attempt(prompt=Transcript((Message("user", f"{self.name} {goal.id} {number}"),)), note=self.name)


@dataclass
class Planted:
    """Breaks by the planted chances."""

    world: str
    seed: int
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "planted"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        found = []
        for prompt in prompts:
            attack, goal, _ = prompt.request.split()
            drawn = Random(f"{self.seed} {prompt.request}").random()
            found.append(prompt.answered("broken" if drawn < chance(self.world, attack, goal) else "kept"))
        return found


def judge(norm: str, transcript: Transcript) -> Judged:
    broke = transcript.reply == "broken"
    return Judged(Score(value=float(broke)), broke, float(broke))


def searched(world: str, seed: int, plan: Plan, tries: int) -> tuple[list[dict[str, Any]], int]:
    spent = Spent()
    goals = [
        Goal(id=str(i), norm="n", prompt=Transcript((Message("user", str(i)),)), family=str(i)) for i in range(GOALS)
    ]
    rows = search_all(
        attacks={name: Tries(name) for name in RATES},
        goals=goals,
        model=Planted(world, seed),
        judge=judge,
        budget=Budget(tries=tries),
        sampling=Sampling(),
        seed=seed,
        plan=plan,
        spent=spent,
    )
    return list(rows), spent.tries


def closed_form(world: str) -> tuple[float, float]:
    """Expected goals broken and tries made by even allocation."""
    goals = tries = 0.0
    for goal in map(str, range(GOALS)):
        ps = [chance(world, a, goal) for a in RATES]
        goals += 1 - math.prod((1 - p) ** TRIES for p in ps)
        tries += sum((1 - (1 - p) ** TRIES) / p for p in ps)
    return goals, tries


def by_lot(world: str, seed: int, budget: int, names: Sequence[str]) -> int:
    """Goals broken when each try goes to an unbroken goal with the fewest tries, under an attack drawn by lot."""
    draws = Random(f"lot {seed}")
    made = dict.fromkeys(map(str, range(GOALS)), 0)
    for _ in range(budget):
        if not made:
            break
        goal = min(made, key=made.__getitem__)
        made[goal] += 1
        if draws.random() < chance(world, draws.choice(names), goal):
            del made[goal]
    return GOALS - len(made)


def broken(rows: Sequence[Mapping[str, Any]]) -> int:
    return len({r["goal"] for r in rows if r["broke"] is not None})


def first_tries(rows: Sequence[Mapping[str, Any]], attack: str) -> float:
    """Share of goals that broke at the first try."""
    own = [r for r in rows if r["attack"] == attack and r["tries"]]
    return sum(r["broke"] == 1 for r in own) / len(own)


def naive(rows: Sequence[Mapping[str, Any]], attack: str) -> float:
    own = [r for r in rows if r["attack"] == attack]
    return sum(r["broke"] is not None for r in own) / sum(r["tries"] for r in own)


def told(values: Sequence[float]) -> dict[str, float]:
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": round(mean, 4), "low": round(mean - 1.96 * error, 4), "high": round(mean + 1.96 * error, 4)}


def biased(values: Sequence[float], truth: float) -> dict[str, float]:
    error = statistics.stdev(values) / math.sqrt(len(values)) or 1e-12
    mean = statistics.fmean(values)
    return {"planted": round(truth, 5), "mean": round(mean, 5), "z": round((mean - truth) / error, 1)}


def world_of(world: str, seeds: int) -> dict[str, Any]:
    expected, tries = closed_form(world)
    budget = round(tries)
    found: dict[str, list[float]] = {name: [] for name in ("even", "even tries", "bandit", "uniform", "best")}
    ratios: list[float] = []
    evens: dict[str, list[float]] = {name: [] for name in RATES}
    naives: dict[str, list[float]] = {name: [] for name in RATES}
    for seed in range(seeds):
        even, made = searched(world, seed, Plan(), TRIES)
        rows, _ = searched(world, seed, Plan(allocation="bandit", whole=Whole(tries=budget)), MOST)
        found["even"].append(broken(even))
        found["even tries"].append(made)
        found["bandit"].append(broken(rows))
        found["uniform"].append(by_lot(world, seed, budget, list(RATES)))
        found["best"].append(by_lot(world, seed, budget, ["e"]))
        ratios.append(broken(rows) / broken(even))
        for name in RATES:
            evens[name].append(first_tries(unbiased(rows), name))
            naives[name].append(naive(rows, name))
    truth = {name: statistics.fmean(chance(world, name, str(g)) for g in range(GOALS)) for name in RATES}
    return {
        "budget_tries": budget,
        "closed_form": {"even": round(expected, 2), "even tries": round(tries, 1)},
        "goals_broken": {name: told(values) for name, values in found.items()},
        "bandit_over_even": told(ratios),
        "chance_of_a_first_try": {
            name: {
                "even tries of the bandit": biased(evens[name], truth[name]),
                "naive": biased(naives[name], truth[name]),
            }
            for name in RATES
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6 seeds instead of 24")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seeds = 6 if given.quick else SEEDS
    result: dict[str, Any] = {"goals": GOALS, "rates": RATES, "tries_each": TRIES, "seeds": seeds}
    result["worlds"] = {world: world_of(world, seeds) for world in WORLDS}
    print(json.dumps(result, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
