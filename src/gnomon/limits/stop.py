"""Where optimisation stops: the best gold among the points that every norm admits.

Norms decide first and veto alone: a rate is never averaged with another norm's, nor with any benefit.
It does not look at the proxy, fit curves or extrapolate.
Source: ARCHITECTURE.md, "two kinds of value, never mixed"; Clopper and Pearson 1934 for the bound.
Units: rates are shares between 0 and 1; gold may be in any unit.
Fails: closed; a norm that was not measured at a point vetoes that point.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gnomon.core.stats import clopper_pearson


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A norm's line: the highest acceptable rate of breaches, and the confidence asked of the bound."""

    rate: float
    confidence: float = 0.95


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One point that optimisation passed."""

    label: str
    gold: float | None
    """Held-out gold; None where the charter has no preference to measure."""
    divergence: float
    """Distance from the start; breaks ties, smaller first."""
    breaches: Mapping[str, tuple[int, int]]
    """Norm to (cases that broke it, cases that were judged)."""


@dataclass(frozen=True, kw_only=True)
class Veto:
    """Why one norm rejects one point."""

    norm: str
    upper: float
    """One-sided upper bound on the rate."""
    line: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Stop:
    """The choice, and the reason for every point that was not allowed to take part."""

    label: str | None
    reason: str
    admissible: tuple[str, ...]
    vetoes: Mapping[str, tuple[Veto, ...]] = field(default_factory=dict)


def vetoes(candidate: Candidate, bars: Mapping[str, Bar]) -> tuple[Veto, ...]:
    """The norms whose upper bound lies above their line, in the order of the charter."""
    found = []
    for norm, bar in bars.items():
        k, n = candidate.breaches.get(norm, (0, 0))
        upper = clopper_pearson(k, n, confidence=bar.confidence, sides=1).high if n else 1.0
        if upper > bar.rate:
            found.append(Veto(norm=norm, upper=upper, line=bar.rate, n=n))
    return tuple(found)


def choose(candidates: Sequence[Candidate], bars: Mapping[str, Bar]) -> Stop:
    """The admissible point of best gold; equal golds go to the smaller divergence, then to the earlier point."""
    rejected = {c.label: v for c in candidates if (v := vetoes(c, bars))}
    admitted = [c for c in candidates if c.label not in rejected]
    if not admitted:
        return Stop(label=None, reason=_nothing(rejected), admissible=(), vetoes=rejected)
    best = max(admitted, key=lambda c: (-math.inf if c.gold is None else c.gold, -c.divergence))
    reason = f"{len(admitted)} of {len(candidates)} points keep every norm inside its line; " + (
        f"{best.label} has the best gold among them"
        if best.gold is not None
        else f"no gold was measured, so {best.label}, nearest to the start, was taken"
    )
    return Stop(label=best.label, reason=reason, admissible=tuple(c.label for c in admitted), vetoes=rejected)


def _nothing(rejected: Mapping[str, tuple[Veto, ...]]) -> str:
    if not rejected:
        return "there is no point to choose from"
    blamed = {v.norm for found in rejected.values() for v in found}
    everywhere = [n for n in sorted(blamed) if all(any(v.norm == n for v in found) for found in rejected.values())]
    names = ", ".join(everywhere or sorted(blamed))
    return f"no point is admissible: vetoed by {names}" + ("" if everywhere else ", each at some of the points")
