"""What one value costs another: a preference's gold against a norm's rate of breaches, and preferences in conflict.

Nothing is averaged over norms or preferences: each pair has its own picture. Which point to take, `stop` decides.
Source: Pareto dominance; the cluster bootstrap of `cases`. Shapes: `P` points of one curve, `C` cases, `D` draws.
Units: gold in its own unit, rates are shares; confidence holds for all comparisons of one call together (Bonferroni).
Fails: closed; below `LEAST` clusters nothing is called sure, and a point without any measured case is a DataError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

from gnomon.core.errors import DataError
from gnomon.core.types import Estimate
from gnomon.limits.cases import LEAST, Values, estimates, resampled


@dataclass(frozen=True, kw_only=True)
class Place:
    """One point between a preference and a norm."""

    label: str
    gold: Estimate
    rate: Estimate
    dominated: Literal["no", "perhaps", "surely"]
    """surely: another point has more gold and fewer breaches, beyond chance. perhaps: by the estimates alone."""
    by: tuple[str, ...]
    """The points that dominate it in that way."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One preference rises while another falls, between two points."""

    rises: str
    falls: str
    start: str
    end: str
    rise: Estimate
    """Change of the one, paired by case."""
    fall: Estimate
    surely: bool
    """Whether both intervals exclude zero."""
    shared: int
    """Cases that measure both preferences."""
    examples: tuple[str, ...]
    """Cases that show it: those that measure both and rose and fell; else the largest rise, the largest fall, …"""


def frontier(
    *,
    labels: Sequence[str],
    golds: Sequence[Estimate],
    rates: Sequence[Estimate],
    gold: Values,
    breaches: Values,
    confidence: float = 0.95,
) -> tuple[Place, ...]:
    """Every point with its two intervals, and which other points dominate it, surely or by the estimates alone."""
    counts = {len(labels), len(golds), len(rates), len(gold.value_PC), len(breaches.value_PC)}
    if len(counts) != 1:
        raise DataError(
            f"labels, estimates and values name {sorted(counts)} points; give each of them one for each point"
        )
    gold_DP, rate_DP = resampled(gold), resampled(breaches)
    few = min(len(set(gold.clusters_C)), len(set(breaches.clusters_C))) < LEAST
    # One comparison with each other point; a dominating point has to win in nearly every draw, on both axes at once.
    need = 1 - (1 - confidence) / max(1, len(labels) - 1)
    places = []
    for p, label in enumerate(labels):
        sure = ((gold_DP > gold_DP[:, [p]]) & (rate_DP < rate_DP[:, [p]])).mean(axis=0) >= need
        by = [q for q in range(len(labels)) if sure[q] and not few]
        maybe = [q for q in range(len(labels)) if _dominates(golds[q], rates[q], golds[p], rates[p])]
        how: Literal["no", "perhaps", "surely"] = "surely" if by else "perhaps" if maybe else "no"
        named = tuple(labels[q] for q in by or maybe)
        places.append(Place(label=label, gold=golds[p], rate=rates[p], dominated=how, by=named))
    return tuple(places)


def _dominates(gold: Estimate, rate: Estimate, other_gold: Estimate, other_rate: Estimate) -> bool:
    """Whether the first is nowhere worse and somewhere better, by the estimates."""
    better, safer = gold.value - other_gold.value, other_rate.value - rate.value
    return better >= 0 and safer >= 0 and (better > 0 or safer > 0)


def conflicts(
    *, labels: Sequence[str], golds: Mapping[str, Values], confidence: float = 0.95, examples: int = 3
) -> tuple[Conflict, ...]:
    """For each two preferences: the first point at which the one has surely risen from the start and the other fallen.

    Where no point is sure, the last point counts if the estimates say so there.
    """
    if len(labels) < 2:
        return ()
    looks = len(golds) * (len(labels) - 1)
    changes = {name: _changes(values, 1 - (1 - confidence) / looks) for name, values in golds.items()}
    found = []
    for one, other in permutations(golds, 2):
        pairs = list(zip(changes[one], changes[other], strict=True))
        at = next((i for i, (rise, fall) in enumerate(pairs) if rise.low > 0 > fall.high), None)
        last = len(pairs) - 1
        rise, fall = pairs[last if at is None else at]
        if rise.value > 0 > fall.value:
            point = (last if at is None else at) + 1
            shared, shown = _examples(golds[one], golds[other], point, examples)
            found.append(
                Conflict(
                    rises=one, falls=other, start=labels[0], end=labels[point], rise=rise, fall=fall,
                    surely=at is not None, shared=shared, examples=shown,
                )
            )  # fmt: skip
    return tuple(found)


def _changes(values: Values, confidence: float) -> list[Estimate]:
    """Change from the first point to every later one, over the cases that both have."""
    change_PC = np.atleast_2d(values.value_PC[1:] - values.value_PC[0])
    change = Values(cases=values.cases, clusters_C=values.clusters_C, value_PC=change_PC)
    return estimates(change, unit="gold", confidence=confidence)


def _examples(one: Values, other: Values, point: int, most: int) -> tuple[int, tuple[str, ...]]:
    """How many cases measure both, and those that show the conflict best."""
    rise, fall = (dict(_moves(v, point)) for v in (one, other))
    shared = [c for c in rise if c in fall]
    if both := [c for c in shared if rise[c] > 0 > fall[c]]:
        return len(shared), tuple(sorted(both, key=lambda c: (-min(rise[c], -fall[c]), c))[:most])
    up = sorted((c for c in rise if rise[c] > 0), key=lambda c: (-rise[c], c))[:most]
    down = sorted((c for c in fall if fall[c] < 0), key=lambda c: (fall[c], c))[:most]
    return len(shared), tuple(case for pair in zip(up, down, strict=False) for case in pair)


def _moves(values: Values, point: int) -> list[tuple[str, float]]:
    change_C = values.value_PC[point] - values.value_PC[0]
    return [(c, float(d)) for c, d in zip(values.cases, change_C, strict=True) if not np.isnan(d)]
