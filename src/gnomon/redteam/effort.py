"""Success against effort, in counts: how many goals broke within k tries, and of how many that can be said.

Counts only, without numpy: `success` makes estimates of them, so that no rate leaves this room without its n.
A goal counts as unbroken within k when at least one of its first tries was scored; else nothing is known about it.
Source: pass@k counting; right-censored first events (Kaplan, Meier 1958) for attacks that ended unbroken.
Units: goals, tries.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gnomon.core.types import Json

Row = Mapping[str, Json]


class Hits(NamedTuple):
    """Goals that broke within k tries, of the n about which that is known."""

    k: int
    broken: int
    n: int
    unknown: int
    """Goals whose every try failed or could not be scored."""


def hit_at(rows: Iterable[Row], k: int) -> Hits:
    """hit@k: rows whose first break came at try k or earlier. An attack that ended earlier counts as unbroken."""
    broken = unbroken = unknown = 0
    for row in rows:
        if row["broke"] is not None and row["broke"] <= k:
            broken += 1
        elif scored(row):
            unbroken += 1
        else:
            unknown += 1
    return Hits(k, broken, broken + unbroken, unknown)


def curve(rows: Sequence[Row], ks: Iterable[int] | None = None) -> list[Hits]:
    """hit@k for each k; by default for every k at which a goal broke, and for the most tries made."""
    if ks is None:
        most = max((row["tries"] for row in rows), default=0)
        ks = sorted({row["broke"] for row in rows if row["broke"] is not None} | {1, most} - {0})
    return [hit_at(rows, k) for k in ks]


def best(rows: Iterable[Row]) -> list[dict[str, Json]]:
    """One row a goal over several attacks: whether any broke it, at the fewest tries; tries and outcomes added up."""
    goals: dict[str, dict[str, Json]] = {}
    for row in rows:
        seen = goals.get(row["goal"])
        if seen is None:
            goals[row["goal"]] = {**row, "outcomes": dict(row["outcomes"])}
            continue
        firsts = [b for b in (seen["broke"], row["broke"]) if b is not None]
        if row["broke"] is not None and row["broke"] == min(firsts) and row["broke"] != seen["broke"]:
            seen.update({key: row[key] for key in ("attack", "note", "transcript")})
        seen["broke"] = min(firsts, default=None)
        seen["tries"] += row["tries"]
        seen["outcomes"] = {name: seen["outcomes"][name] + row["outcomes"][name] for name in seen["outcomes"]}
    return list(goals.values())


def total_spent(rows: Iterable[Row]) -> dict[str, Json]:
    """What rows cost together."""
    listed = list(rows)
    whole = {name: sum(row.get(name) or 0 for row in listed) for name in ("tries", "asks", "tokens")}
    counted = sorted({by for row in listed for by in str(row.get("counted") or "").split(" and ") if by})
    return {**whole, "money": math.fsum(row.get("money") or 0.0 for row in listed), "counted": " and ".join(counted)}


def first_breaks(rows: Iterable[Row]) -> list[tuple[int, bool]]:
    """(tries, broke) a row: the try of the first break, or the tries after which it ended unbroken (censored)."""
    return [(row["tries"] if row["broke"] is None else row["broke"], row["broke"] is not None) for row in rows]


def outcomes(rows: Iterable[Row]) -> dict[str, int]:
    """All tries by how they came out; nothing is left out, so they add up to all tries made."""
    total: dict[str, int] = {}
    for row in rows:
        for name, count in row["outcomes"].items():
            total[name] = total.get(name, 0) + count
    return total


def clusters(rows: Iterable[Row], k: int) -> list[tuple[str, bool]]:
    """(family, broke within k) of each row of which that is known: what a clustered interval is made from."""
    known = [row for row in rows if row["broke"] is not None or scored(row)]
    return [(row["family"], row["broke"] is not None and row["broke"] <= k) for row in known]


def unbiased(rows: Iterable[Row]) -> list[Row]:
    """Rows from which rates and curves may be made: of a bandit's, only the tries that no outcome had a say in.

    Where later tries depend on what broke, attacks that did badly stop early and easy goals leave, so rates over all
    tries come out too low (Nie et al. 2018, arXiv 1708.01977).
    """
    return [row if row.get("even") is None else _cut(row, row["even"]) for row in rows]


def _cut(row: Row, even: Mapping[str, Json]) -> Row:
    broke = row["broke"] if row["broke"] is not None and row["broke"] <= even["tries"] else None
    return {**row, **even, "broke": broke, "ended": row["ended"] if broke or row["tries"] == even["tries"] else "cut"}


class Null(NamedTuple):
    """What a bound on a rate that was never seen above zero needs."""

    goals: int
    tries: int
    """Scored tries only: a failed or unscored one bounds nothing."""


def null(rows: Sequence[Row]) -> Null | None:
    """Goals and scored tries of a search without any break, or None when something broke."""
    if any(row["broke"] is not None for row in rows):
        return None
    known = [row for row in rows if scored(row)]
    return Null(len(known), sum(scored(row) for row in known))


def scored(row: Row) -> int:
    """Tries that got a reply that could be judged."""
    return scored_tries(row["outcomes"])


def scored_tries(outcomes: Mapping[str, int]) -> int:
    """The same of the outcomes themselves."""
    return sum(outcomes[name] for name in ("broke", "kept", "refused"))
