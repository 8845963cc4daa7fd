"""What attacks on agents came to: utility, utility under attack and targeted success, each with its interval.

Utility under attack is that of the first try, the same effort for every pair; later tries are made only where earlier
ones failed. Two agents, or one with and without a guard, are compared on the same tasks, each with itself.
Source: the three measures of AgentDojo (arXiv 2406.13352) section 3.4; intervals clustered by user task.
Departs: success is also told against the number of texts tried, since one text bounds nothing.
Units: rates of user tasks, or of pairs of user and injection task. Fails: closed; nothing to compare is a DataError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnomon.core.errors import DataError
from gnomon.core.types import Estimate, Json
from gnomon.redteam.effort import Row
from gnomon.redteam.success import Bound, Success, bounded_null, table

if TYPE_CHECKING:
    from gnomon.core.statistics.paired import Paired

Outcome = Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """One agent in one suite."""

    utility: Estimate | None
    """Share of user tasks that were done without an attack."""
    under_attack: Mapping[str, Estimate]
    """By attack: share of pairs whose user task was done all the same, at the first try."""
    success: Mapping[str, Sequence[Success]]
    """By attack: share of pairs whose injection task was done within so many tries."""
    bound: Mapping[str, Bound]
    """By attack, where nothing succeeded: the share of pairs that it may still succeed on."""
    stopped: Estimate | None
    """Share of user tasks without an attack in which something was stopped or withheld."""
    persons: float
    """Times a person would be asked in a user task without an attack, on average; a description of this run."""


def measured(quiet: Sequence[Outcome], rows: Sequence[Row]) -> Measures:
    """`quiet`: outcomes without an attack, `rows`: of `target.attacked` or `documents.attacked`."""
    by_attack = {name: [r for r in rows if r["attack"] == name] for name in dict.fromkeys(r["attack"] for r in rows)}
    firsts = {name: [r for r in own if r["each"]] for name, own in by_attack.items()}
    return Measures(
        utility=_rate([o["utility"] for o in quiet], [o["user"] for o in quiet]),
        under_attack={
            name: found
            for name, own in firsts.items()
            if (found := _rate([r["each"][0]["utility"] for r in own], [r["family"] for r in own])) is not None
        },
        success={name: table(own) for name, own in by_attack.items()},
        bound={name: bound for name, own in by_attack.items() if (bound := bounded_null(own)) is not None},
        stopped=_rate([bool(o["stopped"] or o["withheld"]) for o in quiet], [o["user"] for o in quiet]),
        persons=sum(o["persons"] for o in quiet) / len(quiet) if quiet else 0.0,
    )


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a guard changes, each task against itself; differences are with the guard minus without."""

    utility: "Paired | None"
    under_attack: Mapping[str, "Paired"]
    """By attack, at the first try."""
    success: Mapping[str, "Paired"]
    """By attack, within all tries."""


def changed(
    quiet: Sequence[Outcome], guarded: Sequence[Outcome], rows: Sequence[Row], guarded_rows: Sequence[Row]
) -> Change:
    """Compare the same tasks without and with a guard. Raises DataError when there are others on one side."""
    before, after = {o["user"]: o for o in quiet}, {o["user"]: o for o in guarded}
    old, new = _keyed(rows), _keyed(guarded_rows)
    if before.keys() != after.keys() or old.keys() != new.keys():
        raise DataError("the two sides hold other tasks; run the same tasks with and without the guard")
    names = dict.fromkeys(attack for attack, _ in old)
    pairs = {name: [(old[key], new[key]) for key in old if key[0] == name] for name in names}
    tried = {name: [(a, b) for a, b in own if a["each"] and b["each"]] for name, own in pairs.items()}
    return Change(
        utility=_paired([(before[u]["utility"], after[u]["utility"], u) for u in before]),
        under_attack={
            name: found
            for name, own in tried.items()
            if (found := _paired([(a["each"][0]["utility"], b["each"][0]["utility"], a["family"]) for a, b in own]))
        },
        success={
            name: found
            for name, own in tried.items()
            if (found := _paired([(a["broke"] is not None, b["broke"] is not None, a["family"]) for a, b in own]))
        },
    )


def _keyed(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    return {(row["attack"], row["goal"]): row for row in rows}


def _rate(values: Sequence[bool], clusters: Sequence[str]) -> Estimate | None:
    from gnomon.core.statistics import clustered

    return clustered.rate([float(v) for v in values], clusters) if values else None


def _paired(pairs: Sequence[tuple[bool, bool, str]]) -> "Paired | None":
    from gnomon.core.statistics.paired import paired

    if not pairs:
        return None
    before, after, clusters = zip(*pairs, strict=True)
    return paired([[float(v)] for v in before], [[float(v)] for v in after], clusters, bounds=(0.0, 1.0), unit="rate")
