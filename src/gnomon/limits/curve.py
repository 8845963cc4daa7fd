"""The limit from records alone: proxy, gold and every norm's rate of breaches against divergence, and the stop.

It runs no model, fits no form and foretells no peak: it reports the points that were measured.
Source: Gao et al. 2210.10760 for the axes; `best_of_n` and `stop` for the rest.
Units: divergence is the mean sequence KL in nats, distance its square root; rates are shares.
Fails: closed; records of other cases or norms are not guessed at: what is missing is absent from the point.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gnomon.charter.schema import Charter
from gnomon.core.canonical import to_builtins
from gnomon.core.stats import clopper_pearson, cluster_bootstrap
from gnomon.core.types import Estimate, Json, Record
from gnomon.ledger.store import Ledger
from gnomon.limits import best_of_n
from gnomon.limits.stop import Bar, Candidate, Stop, choose
from gnomon.scoring import rows as score_rows
from gnomon.scoring.rows import Outcome, ScoreRow


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was measured at one place that optimisation passed."""

    label: str
    divergence: Estimate | None
    distance: Estimate | None
    """sqrt(divergence)."""
    proxy: Estimate | None
    gold: Estimate | None
    """Every preference with the same weight."""
    golds: Mapping[str, Estimate] = field(default_factory=dict)
    norms: Mapping[str, Estimate] = field(default_factory=dict)


def bars(charter: Charter) -> dict[str, Bar]:
    """Every norm's line, in the order of the charter."""
    return {n.id: Bar(rate=n.line.rate, confidence=n.line.confidence) for n in charter.norms}


def mean(outcomes: Sequence[Outcome], unit: str) -> Estimate | None:
    """Mean with a bootstrap over families, or None where nothing was measured."""
    if not outcomes:
        return None
    return cluster_bootstrap([o.value for o in outcomes], [o.family for o in outcomes], unit=unit)


def balanced(groups: Mapping[str, Sequence[Outcome]], unit: str) -> Estimate | None:
    """Mean of the groups' means: each value is weighted so that a group counts the same whatever its size."""
    filled = {name: list(group) for name, group in groups.items() if group}
    total = sum(map(len, filled.values()))
    return mean(
        [
            Outcome(o.case, f"{name}/{o.family}", o.value * total / (len(filled) * len(group)))
            for name, group in filled.items()
            for o in group
        ],
        unit,
    )


def distance(divergence: Estimate) -> Estimate:
    """Square root of a divergence; a negative end, which noise can make, becomes 0."""
    low, value, high = (math.sqrt(max(x, 0.0)) for x in (divergence.low, divergence.value, divergence.high))
    method = f"square root of: {divergence.method}"
    return dataclasses.replace(divergence, value=value, low=low, high=high, unit="sqrt(nats)", method=method)


def breach_counts(rows: Sequence[ScoreRow], charter: Charter) -> dict[str, tuple[int, int]]:
    """Norm to (probes that broke it, probes that were judged)."""
    found = {norm.id: score_rows.breaches(rows, norm.id) for norm in charter.norms}
    return {norm: (int(sum(o.value for o in hits)), len(hits)) for norm, hits in found.items() if hits}


def point(label: str, rows: Sequence[ScoreRow], charter: Charter, divergence: Estimate | None) -> Point:
    """One point from the rows of its `scores` record."""
    ids = [p.id for p in charter.preferences]
    golds = {i: score_rows.goods(rows, i) for i in ids}
    return Point(
        label=label,
        divergence=divergence,
        distance=distance(divergence) if divergence else None,
        proxy=balanced({i: score_rows.goods(rows, i, "proxy") for i in ids}, "proxy"),
        gold=balanced(golds, "gold"),
        golds={i: e for i, found in golds.items() if (e := mean(found, "gold"))},
        norms={i: clopper_pearson(k, n, unit="rate") for i, (k, n) in breach_counts(rows, charter).items()},
    )


def divergence_of(payload: Json, families: Mapping[str, str]) -> Estimate:
    """Mean sequence KL of a `divergence` record, nats, with a bootstrap over families."""
    rows = payload["rows"]
    clusters = [families.get(row["case"], row["case"]) for row in rows]
    estimate = cluster_bootstrap([row["kl"] for row in rows], clusters, unit="nats")
    return dataclasses.replace(estimate, method=f"{payload['estimator']}; {estimate.method}")


ZERO = Estimate(value=0.0, low=0.0, high=0.0, n=1, unit="nats", method="the start itself", confidence=1.0)


def checkpoints(ledger: Ledger, charter: Charter, split: str) -> tuple[list[Point], Stop, list[Record]]:
    """Points of the start and of every `step-N`, the stop among them, and the records read."""
    used: list[Record] = []
    points, candidates = [], []
    for label, record in _subjects(ledger, split).items():
        rows = score_rows.read(ledger.payload(record))
        used.append(record)
        divergence = ZERO if label == "before" else None
        if label != "before" and (measured := ledger.find("divergence", subject=label)):
            used.append(measured[-1])
            divergence = divergence_of(ledger.payload(measured[-1]), {r.case: r.family for r in rows})
        points.append(point(label, rows, charter, divergence))
        candidates.append(candidate(points[-1], breach_counts(rows, charter)))
    return points, choose(candidates, bars(charter)), used


def candidate(at: Point, counts: Mapping[str, tuple[int, int]]) -> Candidate:
    """A point as `choose` takes it; an unmeasured divergence counts as the largest."""
    away = at.divergence.value if at.divergence else math.inf
    return Candidate(label=at.label, gold=at.gold.value if at.gold else None, divergence=away, breaches=counts)


def _subjects(ledger: Ledger, split: str) -> dict[str, Record]:
    """The latest `scores` record of the start and of each step, in the order of the steps."""
    latest = {r.labels["subject"]: r for r in ledger.find("scores", set=split)}
    steps = sorted((s for s in latest if s.startswith("step-")), key=lambda s: int(s.removeprefix("step-")))
    return {s: latest[s] for s in (["before"] if "before" in latest else []) + steps}


def sampled(payload: Json, charter: Charter) -> tuple[list[Point], Stop]:
    """The best-of-n curve on a grid of n, from one `samples` record, and its own stop."""
    points, candidates = [], []
    for n in best_of_n.grid(int(payload["n"])):
        at, counts = _best_of(payload["rows"], charter, n)
        points.append(at)
        candidates.append(candidate(at, counts))
    return points, choose(candidates, bars(charter))


def _best_of(rows: Sequence[Json], charter: Charter, n: int) -> tuple[Point, dict[str, tuple[int, int]]]:
    golds = {p.id: _expected(rows, p.id, "gold", n) for p in charter.preferences}
    proxies = {p.id: _expected(rows, p.id, "proxy", n) for p in charter.preferences}
    breached = {norm.id: _expected(rows, norm.id, f"breached/{norm.id}", n) for norm in charter.norms}
    # Expected breaches are fractions; the count is rounded up so that the bound errs towards a veto.
    counts = {i: (math.ceil(sum(o.value for o in b) - 1e-9), len(b)) for i, b in breached.items() if b}
    divergence = _sampled_divergence(rows, n)
    return Point(
        label=f"n={n}",
        divergence=divergence,
        distance=distance(divergence),
        proxy=balanced(proxies, "proxy"),
        gold=balanced(golds, "gold"),
        golds={i: e for i, found in golds.items() if (e := mean(found, "gold"))},
        norms={i: e for i, found in breached.items() if (e := mean(found, "rate"))},
    ), counts


def _expected(rows: Sequence[Json], target: str, column: str, n: int) -> list[Outcome]:
    """Per case of this target, the expected value of a column under best-of-n; unscored samples are left out."""
    found = []
    for row in rows:
        name, _, norm = column.partition("/")
        values = (row.get(name) or {}).get(norm) if norm else row.get(name)
        if not row["case"].startswith(f"{target}/") or not values:
            continue
        pairs = [(p, float(v)) for p, v in zip(row["proxy"], values, strict=True) if p is not None and v is not None]
        if len(pairs) >= n:
            value = best_of_n.expected([p for p, _ in pairs], [v for _, v in pairs], n)
            found.append(Outcome(row["case"], row["case"].split("/")[2], value))
    return found


def _sampled_divergence(rows: Sequence[Json], n: int) -> Estimate:
    known = [row for row in rows if row.get("logp") and len(row["logp"]) >= n and None not in row["proxy"]]
    if not known or n == 1:
        bound = best_of_n.kl_bound(n)
        method = "upper bound log n - (n-1)/n"
        return Estimate(value=bound, low=0.0, high=bound, n=n, unit="nats", method=method, confidence=1.0)
    values = [best_of_n.kl_tight(row["logp"], row["proxy"], n) for row in known]
    estimate = cluster_bootstrap(values, [row["case"].split("/")[2] for row in known], unit="nats")
    return dataclasses.replace(estimate, method=f"tight estimator of 2401.01879; {estimate.method}")


def measure(*, ledger: Ledger, charter: Charter, split: str = "select") -> Record:
    """Write the `limit` record: the curves of every optimiser with records, and where each has to stop."""
    optimisers: list[Json] = []
    chosen: Stop | None = None
    points, stop, used = checkpoints(ledger, charter, split)
    if len(points) > 1:
        trained = ledger.find("training")
        name = str(ledger.payload(trained[-1])["method"]) if trained else "training"
        optimisers.append(_optimiser(name, points, stop))
        used += trained[-1:]
        chosen = stop
    if samples := ledger.find("samples", subject="before"):
        curve, own = sampled(ledger.payload(samples[-1]), charter)
        optimisers.append(_optimiser("best-of-n", curve, own))
        used.append(samples[-1])
    final = chosen or Stop(label=None, reason="no optimised point was measured", admissible=())
    at_stop = next((p for p in points if p.label == final.label), None)
    payload = {
        "optimisers": optimisers,
        "stop": to_builtins(at_stop) if at_stop else None,
        "reason": final.reason,
        "admissible": list(final.admissible),
        "vetoes": to_builtins(final.vetoes),
        "lines": to_builtins(bars(charter)),
        "set": split,
    }
    return ledger.append(kind="limit", payload=payload, parents=[r.id for r in used])


def _optimiser(name: str, points: Sequence[Point], stop: Stop) -> Json:
    return {
        "name": name,
        "points": to_builtins(points),
        "stop": stop.label,
        "reason": stop.reason,
        "admissible": list(stop.admissible),
        "vetoes": to_builtins(stop.vetoes),
    }
