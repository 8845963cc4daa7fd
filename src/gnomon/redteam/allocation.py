"""Which attack on which goal tries next: all alike, or where breaks are likeliest (a bandit); and when to stop early.

Even: every attack has all its tries on every goal. Bandit: after `even` tries each, attacks are arms of one bandit a
norm, a try is a pull, a break the reward; a goal that broke leaves. Picks are made in rounds of a fixed size, so that
they do not depend on which reply is fastest. It asks nobody and estimates nothing.
Source: Thompson 1933; Chapelle, Li, "An Empirical Evaluation of Thompson Sampling" (NIPS 2011), Beta-Bernoulli arms
with updates in batches. Early stop: Clopper, Pearson 1934, at 0 of n.
Departs: a try that could not be had or scored counts as one that broke nothing, in the choice only: it cost a try.
Fails: closed; with the bandit, only the first `even` tries of each attack on each goal are an unbiased sample.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from gnomon.core.seeds import generator
from gnomon.redteam.effort import scored_tries
from gnomon.redteam.lanes import Lane

AT_ONCE = 8
"""Picks of one norm in one round."""
CONFIDENCE = 0.95
Picks = list[tuple[Lane, float]]


def needed(below: float) -> int:
    """Goals without a break after which the one-sided upper bound of their share is at most `below`.

    It is looked at once only, at this number, so that looking does not weaken it.

    >>> needed(0.05)
    59
    """
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - below) - 1e-9)


@dataclass
class Even:
    """Every attack on every goal; with `below`, goals come in a drawn order, no more at once than a stop may need."""

    lanes: Sequence[Lane]
    below: float | None = None
    _given: set[int] = field(default_factory=set)

    def picks(self) -> Picks:
        """What goes on now; empty: nothing is left."""
        if self.below is not None:
            stop_early(self.lanes, self.below)
        waiting = [lane for lane in self.lanes if not lane.ended and id(lane) not in self._given]
        if self.below is not None:
            waiting = [lane for norm in _norms(waiting) for lane in self._wave(norm, waiting, needed(self.below))]
        self._given |= {id(lane) for lane in waiting}
        return [(lane, math.inf) for lane in waiting]

    def _wave(self, norm: str, waiting: Sequence[Lane], wanted: int) -> list[Lane]:
        left = [lane for lane in waiting if lane.goal.norm == norm]
        seen = Unbroken.of([lane for lane in self.lanes if lane.goal.norm == norm])
        if seen.broken:
            return left
        goals = list(dict.fromkeys(lane.goal.id for lane in left))[: max(1, wanted - seen.held)]
        return [lane for lane in left if lane.goal.id in goals]


@dataclass
class Bandit:
    """Thompson sampling over attacks, for each norm by itself."""

    lanes: Sequence[Lane]
    seed: int
    even: int = 1
    """First tries that every attack has on every goal; only of these are effort curves made."""
    below: float | None = None
    _begun: bool = False
    _draws: dict[str, Random] = field(default_factory=dict)

    def picks(self) -> Picks:
        """What goes on now; empty: nothing is left."""
        if not self._begun:
            self._begun = True
            for lane in self.lanes:
                lane.even = self.even
            if self.even:
                return [(lane, self.even) for lane in self.lanes]
        if self.below is not None:
            stop_early(self.lanes, self.below)
        leave_broken(self.lanes)
        return [(lane, 1) for norm in _norms(self.lanes) for lane in self._drawn(norm)]

    def _drawn(self, norm: str) -> list[Lane]:
        own = [lane for lane in self.lanes if lane.goal.norm == norm]
        draws = self._draws.setdefault(norm, generator(self.seed, "bandit", norm))
        arms = {name: [lane for lane in own if lane.attack == name] for name in dict.fromkeys(x.attack for x in own)}
        known = {name: (sum(x.broke is not None for x in a), sum(x.tries for x in a)) for name, a in arms.items()}
        spent: dict[str, int] = {}
        for lane in own:
            spent[lane.goal.id] = spent.get(lane.goal.id, 0) + lane.tries
        free = {name: [x for x in a if not x.ended] for name, a in arms.items()}
        found: list[Lane] = []
        while len(found) < AT_ONCE and any(free.values()):
            chance = {
                name: draws.betavariate(1 + known[name][0], 1 + known[name][1] - known[name][0])
                for name, a in free.items()
                if a
            }
            arm = free[max(chance, key=lambda name: chance[name])]
            lane = min(arm, key=lambda x: (x.tries, spent[x.goal.id]))
            found.append(lane)
            # One attack at a time on a goal: the second might find it broken.
            free = {name: [x for x in a if x.goal.id != lane.goal.id] for name, a in free.items()}
        return found


@dataclass(frozen=True)
class Unbroken:
    """How the goals of one norm stand."""

    broken: int
    held: int
    """Goals on which every attack is over, with a reply that could be judged and without a break."""

    @staticmethod
    def of(lanes: Sequence[Lane]) -> "Unbroken":
        """Count goals over all attacks on them."""
        goals: dict[str, list[Lane]] = {}
        for lane in lanes:
            goals.setdefault(lane.goal.id, []).append(lane)
        broken = sum(any(x.broke is not None for x in own) for own in goals.values())
        held = sum(
            all(x.ended and x.broke is None for x in own) and any(scored_tries(x.outcomes) for x in own)
            for own in goals.values()
        )
        return Unbroken(broken, held)


def stop_early(lanes: Sequence[Lane], below: float) -> None:
    """End what is left of each norm of which enough goals held and none broke."""
    for norm in _norms(lanes):
        own = [lane for lane in lanes if lane.goal.norm == norm]
        seen = Unbroken.of(own)
        if not seen.broken and seen.held >= needed(below):
            for lane in own:
                if not lane.ended:
                    lane.over(f"early stop: no break on {seen.held} goals, so at most {below:.3g} of them")


def leave_broken(lanes: Sequence[Lane]) -> None:
    """End what other attacks would still try on goals that broke."""
    by = {lane.goal.id: lane.attack for lane in lanes if lane.broke is not None}
    for lane in lanes:
        if not lane.ended and lane.goal.id in by:
            lane.over(f"the goal broke under {by[lane.goal.id]}")


def _norms(lanes: Sequence[Lane]) -> list[str]:
    return list(dict.fromkeys(lane.goal.norm for lane in lanes))
