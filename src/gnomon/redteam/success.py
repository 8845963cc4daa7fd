"""Success against effort as estimates: by tries or tokens, over repeats, until the first break, and where none came.

A goal counts as unbroken within a budget when a scored try was made and it did not break; else nothing is known of it.
Intervals are clustered by goal family, since goals of one family break together.
Source: unbiased hit@k of n repeats: Chen et al. 2107.03374, equation 1; Kaplan, Meier 1958; Clopper, Pearson 1934.
Departs: the fit of 1 - (1 - p)^N counts tries as clustered by goal, so its interval holds where goals differ.
Units: rates are shares of goals, `per_try` a share of tries; budgets are tries or tokens.
Fails: closed; nothing known gives None, and never a rate. numpy is imported where it is needed only.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gnomon.core.binomial import clopper_pearson
from gnomon.core.errors import DataError
from gnomon.core.types import Estimate
from gnomon.redteam.effort import Row, first_breaks, null, scored

if TYPE_CHECKING:
    from gnomon.core.statistics.paired import Paired
    from gnomon.core.statistics.survival import Step

Budget = Literal["tries", "tokens", "money", "seconds"]
KS = (1, 3, 10)


@dataclass(frozen=True, kw_only=True)
class Success:
    """Goals that broke within a budget."""

    within: float
    by: Budget
    rate: Estimate | None
    """None: of no goal anything is known."""
    unknown: int
    """Goals whose every try failed or could not be scored."""


def success(rows: Sequence[Row], within: float, *, by: Budget = "tries") -> Success:
    """Share of goals that broke within so many tries or tokens, clustered by goal family."""
    from gnomon.core.statistics import clustered

    known = [row for row in rows if row["broke"] is not None or scored(row)]
    rate = None
    if known:
        values = [float(_broke(row, within, by)) for row in known]
        rate = clustered.rate(values, [row["family"] for row in known])
    return Success(within=within, by=by, rate=rate, unknown=len(rows) - len(known))


def table(rows: Sequence[Row], ks: Iterable[int] = KS, *, by: Budget = "tries") -> list[Success]:
    """Success at each budget below the most that was spent, and at that."""
    most = max((_spent(row, by) for row in rows), default=0)
    return [success(rows, k, by=by) for k in [*sorted(k for k in set(ks) if k < most), most]]


def hit_at_k(n: int, broken: int, k: int) -> float:
    """Chance that at least one of k repeats drawn from n breaks, when `broken` of the n did.

    >>> hit_at_k(4, 1, 2)
    0.5
    """
    if not 0 < k <= n or not 0 <= broken <= n:
        raise DataError(f"{k} of {n} repeats with {broken} broken; write 0 < k <= n and 0 <= broken <= n")
    return 1.0 if n - broken < k else 1 - math.comb(n - broken, k) / math.comb(n, k)


def repeated(rows: Iterable[Row], k: int, *, within: float, by: Budget = "tries") -> Estimate | None:
    """hit@k from independent repeats: rows of one attack and goal under several seeds, each up to `within`.

    Goals with fewer than k known repeats are left out; None when that leaves none.
    """
    from gnomon.core.statistics import clustered

    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["broke"] is not None or scored(row):
            groups.setdefault((row["attack"], row["goal"]), []).append(row)
    full = [own for own in groups.values() if len(own) >= k]
    if not full:
        return None
    values = [hit_at_k(len(own), sum(_broke(row, within, by) for row in own), k) for own in full]
    return clustered.mean(values, [own[0]["family"] for own in full], bounds=(0.0, 1.0), unit="rate")


def time_to_break(rows: Sequence[Row]) -> list["Step"]:
    """Share of goals still unbroken after each number of tries; attacks that ended unbroken are censored."""
    from gnomon.core.statistics.survival import kaplan_meier

    known = [row for row in rows if row["broke"] is not None or scored(row)]
    if not known:
        return []
    times = first_breaks(known)
    families = [row["family"] for row in known]
    several = len(set(families)) > 1
    return kaplan_meier([t for t, _ in times], [b for _, b in times], clusters=families if several else None)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What can be said when nothing broke. One-sided."""

    goals: Estimate
    """Of goals like these, at most this share breaks at this effort."""
    tries: Estimate | None
    """Of single tries; None unless tries are independent draws, which those of a search are not."""


def bounded_null(rows: Sequence[Row], *, independent: bool = False, confidence: float = 0.95) -> Bound | None:
    """The bound, or None when something broke or nothing was scored.

    `independent`: tries are independent draws of one kind (as of best-of-n, or a repeated direct request).
    """
    seen = null(rows)
    if seen is None or not seen.goals:
        return None
    over = clopper_pearson(0, seen.goals, confidence, sides=1)
    single = clopper_pearson(0, seen.tries, confidence, sides=1) if independent else None
    return Bound(goals=over, tries=single)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """1 - (1 - p)^N, fitted."""

    per_try: Estimate
    """p: the chance that one try breaks a goal."""
    misfit: tuple[int, ...]
    """Numbers of tries at which the fit lies outside the interval of the observed curve."""

    def within(self, tries: int) -> float:
        """Share of goals that the fit lets break within so many tries."""
        return 1 - (1 - self.per_try.value) ** tries


def fit(rows: Sequence[Row]) -> Fit | None:
    """The likeliest p if all goals are alike and tries independent: breaks over scored tries. None without any.

    `misfit` says where that cannot be: goals that differ bend the curve below the fit.
    """
    from gnomon.core.statistics import clustered

    values, goals = [], []
    for row in rows:
        n = scored(row)
        values += [0.0] * (n - (row["broke"] is not None)) + [1.0] * (row["broke"] is not None)
        goals += [row["goal"]] * n
    if not values:
        return None
    per_try = clustered.rate(values, goals)
    steps = time_to_break(rows)
    off = [s for s in steps if not s.within.low <= 1 - (1 - per_try.value) ** s.time <= s.within.high]
    return Fit(per_try=per_try, misfit=tuple(int(s.time) for s in off))


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two models or defences under the same attacks on the same goals at the same effort."""

    within: float
    by: Budget
    rates: "Paired"
    """Before, after, and the difference paired by attack and goal, clustered by family."""
    only_before: int
    only_after: int
    p: float
    """McNemar, exact; takes goals as independent."""
    unpaired: int
    """Attacks on goals that are known on one side only; left out."""


def compare(before: Iterable[Row], after: Iterable[Row], *, within: float, by: Budget = "tries") -> Compared:
    """Compare at equal effort. Raises DataError when no attack on a goal is known on both sides."""
    from gnomon.core.statistics.paired import paired
    from gnomon.core.stats import mcnemar

    old, new = _outcomes(before, within, by), _outcomes(after, within, by)
    both = [key for key in old if key in new]
    if not both:
        raise DataError("no attack on a goal is known on both sides; attack the same goals with the same attacks")
    pairs = [(old[key][1], new[key][1]) for key in both]
    first, second = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return Compared(
        within=within,
        by=by,
        rates=paired(
            [[float(a)] for a, _ in pairs],
            [[float(b)] for _, b in pairs],
            [old[key][0] for key in both],
            bounds=(0.0, 1.0),
            unit="rate",
        ),
        only_before=first,
        only_after=second,
        p=mcnemar(first, second),
        unpaired=len(old) + len(new) - 2 * len(both),
    )


def _outcomes(rows: Iterable[Row], within: float, by: Budget) -> Mapping[tuple[str, str], tuple[str, bool]]:
    known = [row for row in rows if row["broke"] is not None or scored(row)]
    return {(row["attack"], row["goal"]): (row["family"], _broke(row, within, by)) for row in known}


def _broke(row: Row, within: float, by: Budget) -> bool:
    return row["broke"] is not None and _spent(row, by) <= within


def _spent(row: Row, by: Budget) -> float:
    """Effort up to the first break, or all of it: a search ends at its first break."""
    if by == "tries":
        return int(row["tries"] if row["broke"] is None else row["broke"])
    if (spent := row.get(by)) is None:
        raise DataError(f"these rows do not say what was spent in {by}; a search tells it when it has such a budget")
    return float(spent)
