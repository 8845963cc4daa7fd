"""The limit certificate: from records alone, how far each optimiser may go, how sure that is, and what was refused.

It runs no model. Norms decide the stop (`stop`); fits, findings and looks are evidence beside it and move nothing.
Recorded as the `limit` record, which the report and the claims read; its JSON Schema is published in docs.
Source: `curve`, `fits`, `sparse`, `anytime`, `frontier`, `horizon`, `price`, each with its own.
Units: distance in sqrt(nats), rates as shares, gold as the charter's dimensions give it, mapped to [0, 1].
Fails: closed; what has no record is said to be not measured, and what the data do not carry is refused with a reason.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from gnomon.charter.schema import Charter
from gnomon.core.canonical import digest, from_builtins, to_builtins
from gnomon.core.errors import DataError
from gnomon.core.stats import clopper_pearson
from gnomon.core.types import Estimate, Json, Record
from gnomon.ledger.store import Ledger
from gnomon.limits import anytime, cases, curve, fits, sparse
from gnomon.limits import frontier as tradeoffs
from gnomon.limits import price as prices
from gnomon.limits.anytime import Look
from gnomon.limits.curve import Measured, Point
from gnomon.limits.fits import Fit
from gnomon.limits.frontier import Conflict
from gnomon.limits.horizon import Horizon, Turn, horizon
from gnomon.limits.price import PriceInvariance, Sweep
from gnomon.limits.sparse import Finding
from gnomon.limits.stop import Bar, Veto

LEVEL = 0.01
"""Rate of false alarms of each kind of finding, over all points of one optimiser together."""
SHARE = 0.05
"""Of the start's own replies that lie beyond what counts as an outlier: fewer would take more replies of it."""
DRAWN = 40
"""Distances at which a fit is written down, so that it can be drawn without fitting again."""

DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Margin:
    """How far the stop is from something that it must not reach."""

    to: str
    """`norm ID` or `fitted peak`."""
    room: Estimate
    """Line minus rate, or peak minus distance; below 0 the stop lies beyond. `low` is the room that is sure."""


@dataclass(frozen=True, kw_only=True)
class TradeOff:
    """One preference against one norm: which points are dominated, by which others."""

    preference: str
    norm: str
    surely: Mapping[str, tuple[str, ...]]
    """More gold and fewer breaches elsewhere, beyond chance."""
    perhaps: Mapping[str, tuple[str, ...]]
    """By the estimates alone."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fit at one distance."""

    distance: float
    gold: Estimate


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """One way of optimising: its curve, its stop, and everything that was asked of the curve."""

    name: str
    grid: tuple[str, ...]
    """Labels of the points, from the start on."""
    points: tuple[Point, ...]
    stop: str | None
    reason: str
    admissible: tuple[str, ...]
    vetoes: Mapping[str, tuple[Veto, ...]]
    margins: tuple[Margin, ...]
    """At the stop: the norm with the least room first, then the fitted peak."""
    fit: Fit | None
    refusal: str
    """Why there is no fit, or why the fit names no peak; empty if it names one."""
    fitted: tuple[Fitted, ...]
    """The fit up to its reach, 1.3 times the furthest distance. Empty if it does not fit or has too few points."""
    findings: tuple[Finding, ...]
    """Signs of sparse exploits, which no smooth fit foresees. None found is not none there."""
    unfound: tuple[str, ...]
    """What could not be looked for, and why."""
    watch: tuple[Look, ...]
    """Whether gold had fallen, tested at every point so that one may look at each."""
    trade_offs: tuple[TradeOff, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a preference means, and what was optimised in its place."""

    gold: Json
    proxy: Json


@dataclass(frozen=True, kw_only=True)
class Digests:
    """What the certificate speaks of, as SHA-256 (hex); empty where nothing is on record."""

    charter: str
    model: str
    """Weights of the start."""
    stop: str
    """Weights of the model at the stop."""
    data: str
    """Every transcript and sample that was judged."""
    judge: str
    """Detectors, golds and proxies with their settings."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How far optimisation may go."""

    certificate: int = 2
    """Version of the format; 1 had curves and stop alone."""
    set: str
    """The split on which it was measured."""
    measures: Mapping[str, Measure]
    """Preference to its gold and its proxy."""
    lines: Mapping[str, Bar]
    """Norm to the highest acceptable rate of breaches."""
    optimisers: tuple[Optimiser, ...]
    stop: Point | None
    """Where the trained model stops; None: nothing admissible, or nothing trained."""
    reason: str
    admissible: tuple[str, ...]
    vetoes: Mapping[str, tuple[Veto, ...]]
    horizon: Mapping[str, Horizon]
    """Subject to its curves over the turns of conversations; empty: not measured."""
    price: PriceInvariance | None
    """None: not measured."""
    digests: Digests


def json_schema() -> dict[str, Any]:
    """JSON Schema of the certificate: no field beyond it, every field that has no default."""
    schema = msgspec.json.schema(Certificate)
    for definition in schema["$defs"].values():
        if definition.get("type") == "object" and "properties" in definition:
            definition["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Gnomon limit certificate", **schema}


def certify(*, ledger: Ledger, charter: Charter, split: str = "select") -> Record:
    """Write the certificate as the `limit` record, below every record that it was made from."""
    certificate, used = build(ledger=ledger, charter=charter, split=split)
    return ledger.append(kind="limit", payload=to_builtins(certificate), parents=[r.id for r in used])


def build(*, ledger: Ledger, charter: Charter, split: str = "select") -> tuple[Certificate, list[Record]]:
    """The certificate of what the ledger holds, and the records that were read for it."""
    found: list[Measured] = []
    trained = curve.checkpoints(ledger, charter, split)
    used = list(trained.used)
    if len(trained.points) > 1:
        found.append(trained)
    if samples := ledger.find("samples", subject="before")[-1:]:
        found.append(curve.sampled(ledger.payload(samples[0]), charter, samples))
        used += samples
    over_turns, turned = _horizon(ledger)
    price, sold = _price(ledger)
    chosen = trained.stop if len(trained.points) > 1 else None
    label = chosen.label if chosen else None
    certificate = Certificate(
        set=split,
        measures={p.id: Measure(gold=_plain(p.gold), proxy=_plain(p.proxy)) for p in charter.preferences},
        lines=curve.bars(charter),
        optimisers=tuple(_optimiser(m, charter) for m in found),
        stop=next((p for p in trained.points if p.label == label), None),
        reason=chosen.reason if chosen else "no optimised point was measured",
        admissible=chosen.admissible if chosen else (),
        vetoes=chosen.vetoes if chosen else {},
        horizon=over_turns,
        price=price,
        digests=_digests(ledger, charter, used, label),
    )
    return from_builtins(_rounded(to_builtins(certificate)), Certificate), [*used, *turned, *sold]


def _rounded(value: Json) -> Json:
    """Every number with `DIGITS` digits: the last ones are the machine's, and would give one certificate two ids."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def _plain(measure: Any) -> Json:
    return measure.model_dump(mode="json") if measure else None


def _horizon(ledger: Ledger) -> tuple[dict[str, Horizon], list[Record]]:
    """The newest `turns` record of every subject."""
    newest = {r.labels.get("subject", ""): r for r in ledger.find("turns")}
    rows = {subject: ledger.payload(r)["rows"] for subject, r in newest.items()}
    return {
        subject: horizon([from_builtins(row, Turn, where=f"turns row {i}") for i, row in enumerate(own)])
        for subject, own in rows.items()
    }, list(newest.values())


def _price(ledger: Ledger) -> tuple[PriceInvariance | None, list[Record]]:
    newest = ledger.find("price_invariance")[-1:]
    sweeps = [from_builtins(ledger.payload(r), Sweep, where="price_invariance") for r in newest]
    return (prices.invariance(sweeps[0]) if sweeps else None), newest


def _digests(ledger: Ledger, charter: Charter, used: Sequence[Record], stop: str | None) -> Digests:
    def weights(subject: str) -> str:
        models = ledger.find("model", subject=subject)[-1:]
        return str(ledger.payload(models[0]).get("weights", "")) if models else ""

    asked = {p for r in used for p in r.parents if ledger.get(p).kind == "transcripts"}
    read = [ledger.get(p).payload for p in sorted(asked)] + [r.payload for r in used if r.kind == "samples"]
    training = [ledger.payload(r) for r in used if r.kind == "training"]
    steps = {f"step-{c['step']}": str(c["weights"]) for t in training for c in t.get("checkpoints", ())}
    charters = [ledger.payload(r) for r in ledger.find("charter")[-1:]]
    judges = [[n.id, n.detector, n.breach_at] for n in charter.norms]
    judges += [[p.id, p.gold, p.proxy] for p in charter.preferences]
    return Digests(
        charter=str(charters[0].get("digest", "")) if charters else "",
        model=weights("before"),
        stop=weights("before") if stop == "before" else steps.get(stop or "", ""),
        data=digest(read) if read else "",
        judge=digest([[_plain(x) if hasattr(x, "model_dump") else x for x in row] for row in judges]),
    )


def _optimiser(measured: Measured, charter: Charter) -> Optimiser:
    fit, refusal = _fit(measured)
    findings, unfound = _findings(measured)
    return Optimiser(
        name=measured.name,
        grid=tuple(p.label for p in measured.points),
        points=measured.points,
        stop=measured.stop.label,
        reason=measured.stop.reason,
        admissible=measured.stop.admissible,
        vetoes=measured.stop.vetoes,
        margins=_margins(measured, curve.bars(charter), fit),
        fit=fit,
        refusal=refusal,
        fitted=_fitted(fit, measured),
        findings=findings,
        unfound=unfound,
        watch=_watch(measured),
        trade_offs=_trade_offs(measured),
        conflicts=_conflicts(measured),
    )


def _fit(measured: Measured) -> tuple[Fit | None, str]:
    """The optimiser's form over the points with distance and gold; every preference counts the same."""
    gold = cases.joined(measured.golds, equal=True)
    at = [i for i, p in enumerate(measured.points) if p.distance and p.gold]
    if not at:
        return None, "no point has both a distance and a gold"
    away = [d.value for i in at if (d := measured.points[i].distance)]
    try:
        found = fits.fit(
            distance_P=away,
            gold_PC=gold.value_PC[at],
            clusters_C=gold.clusters_C,
            form="best_of_n" if measured.name == "best-of-n" else "rl",
        )
    except DataError as error:
        return None, str(error)
    return found, found.reason


def _fitted(fit: Fit | None, measured: Measured) -> tuple[Fitted, ...]:
    """Gold as the fit has it, from the start's own level on; a form that does not fit would only mislead."""
    start = next((p.gold for p in measured.points if p.gold and p.distance and p.distance.value == 0), None)
    beyond = {p.distance.value for p in measured.points if p.gold and p.distance and p.distance.value > 0}
    clusters = len({*cases.joined(measured.golds).clusters_C})
    if fit is None or start is None or len(beyond) < fits.POINTS or clusters < fits.CLUSTERS or not fit.misfit.fits:
        return ()

    def at(distance: float) -> Fitted:
        gain = fits.predict(fit, distance)
        ends = {end: getattr(gain, end) + start.value for end in ("value", "low", "high")}
        return Fitted(distance=distance, gold=dataclasses.replace(gain, **ends))

    return tuple(at(float(d)) for d in np.linspace(0.0, fit.reach, DRAWN))


def _margins(measured: Measured, lines: Mapping[str, Bar], fit: Fit | None) -> tuple[Margin, ...]:
    index = next((i for i, p in enumerate(measured.points) if p.label == measured.stop.label), None)
    if index is None:
        return ()
    rooms = []
    for norm, bar in lines.items():
        broken_C = measured.breaches[norm].value_PC[index]
        n = int((~np.isnan(broken_C)).sum())
        if n:
            # As the stop counts: expected breaches are rounded up, and the bound is one-sided at the norm's confidence.
            k = int(np.ceil(np.nansum(broken_C) - 1e-9))
            rate = clopper_pearson(k, n, confidence=2 * bar.confidence - 1, unit="rate")
            rooms.append(Margin(to=f"norm {norm}", room=_room(bar.rate, bar.rate, bar.rate, rate)))
    rooms.sort(key=lambda m: m.room.low)
    away = measured.points[index].distance
    if fit and fit.peak and away:
        peak = fit.peak
        rooms.append(Margin(to="fitted peak", room=_room(peak.value, peak.low, peak.high, away)))
    return tuple(rooms)


def _room(value: float, low: float, high: float, used: Estimate) -> Estimate:
    """What is left between two quantities; the ends are the least and the most that their intervals leave."""
    left = value - used.value, low - used.high, high - used.low
    return dataclasses.replace(used, value=left[0], low=left[1], high=left[2], method=f"what is left; {used.method}")


def _findings(measured: Measured) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Change of gold, parting of proxy and gold, drift of the text and its entropy, outliers among replies."""
    labels = [p.label for p in measured.points]
    gold, proxy = (cases.whole(cases.joined(g)) for g in (measured.golds, measured.proxies))
    means = cases.whole(cases.families(cases.joined(measured.golds)))
    looks = max(1, len(labels) - 1)
    found: list[Finding | None] = []
    missing: list[str] = []

    def looked(kind: str, look: Any, **given: Any) -> None:
        try:
            found.append(look(**given))
        except DataError as error:
            missing.append(f"{kind}: {error}")

    looked("change_point", sparse.change_point, labels=labels, ids=means.cases, gold_PC=means.value_PC, level=LEVEL)
    both = [c for c in gold.cases if c in {*proxy.cases}]
    gold_PC, proxy_PC = (cases.pick(v, both).value_PC for v in (gold, proxy))
    # Whole before families: a family's mean is over the same cases at every point.
    features = {n: cases.families(cases.whole(v)) for n, v in measured.features.items() if v.cases}
    shared = sorted(set.intersection(*({*v.cases} for v in features.values()))) if features else []
    rows = {n: cases.pick(v, shared).value_PC for n, v in features.items()}
    for p in range(1, len(labels)):
        if both:
            given = {"proxy_before_C": proxy_PC[0], "proxy_now_C": proxy_PC[p]}
            given |= {"gold_before_C": gold_PC[0], "gold_now_C": gold_PC[p]}
            looked("gap", sparse.gap, label=labels[p], ids=both, level=LEVEL / looks, **given)
        if shared:
            before, now = ({n: row_PC[i] for n, row_PC in rows.items()} for i in (0, p))
            looked("drift", sparse.drift, label=labels[p], ids=shared, before=before, now=now, level=LEVEL / looks)
        if measured.read.get(labels[0]) and (now_read := measured.read.get(labels[p])):
            start_NF, now_NF = (np.array([*r.values()], dtype=float) for r in (measured.read[labels[0]], now_read))
            given = {"ids": [*now_read], "start_NF": start_NF, "now_NF": now_NF, "share": SHARE}
            looked("outliers", sparse.outliers, label=labels[p], level=LEVEL / looks, **given)
    if not measured.read:
        missing.append("outliers: no record holds features of replies")
    if not both:
        missing.append("gap: no case has both a proxy and a gold at every point")
    if not shared:
        missing.append("drift: no record holds the replies at every point")
    return tuple(f for f in found if f), tuple(dict.fromkeys(missing))


def _watch(measured: Measured) -> tuple[Look, ...]:
    """Looks at every point that has gold, on families; all looks were planned, as the grid is known."""
    gold = cases.joined(measured.golds)
    at = [i for i, p in enumerate(measured.points) if p.gold]
    if len(at) < 2:
        return ()
    try:
        return anytime.watch(
            labels=[measured.points[i].label for i in at], gold_PC=cases.families(cases.at(gold, at)).value_PC
        )
    except DataError:
        return ()


def _trade_offs(measured: Measured) -> tuple[TradeOff, ...]:
    found = []
    for preference, gold in measured.golds.items():
        for norm, breaches in measured.breaches.items():
            at = [i for i, p in enumerate(measured.points) if preference in p.golds and norm in p.norms]
            if len(at) < 2:
                continue
            places = tradeoffs.frontier(
                labels=[measured.points[i].label for i in at],
                golds=[measured.points[i].golds[preference] for i in at],
                rates=[measured.points[i].norms[norm] for i in at],
                gold=cases.at(gold, at),
                breaches=cases.at(breaches, at),
            )
            by = {how: {p.label: p.by for p in places if p.dominated == how} for how in ("surely", "perhaps")}
            found.append(TradeOff(preference=preference, norm=norm, **by))
    return tuple(found)


def _conflicts(measured: Measured) -> tuple[Conflict, ...]:
    """Between the preferences that were measured at every point that has any gold."""
    at = [i for i, p in enumerate(measured.points) if p.golds]
    everywhere = {n for n in measured.golds if all(n in measured.points[i].golds for i in at)}
    golds = {n: cases.at(v, at) for n, v in measured.golds.items() if n in everywhere}
    return tradeoffs.conflicts(labels=[measured.points[i].label for i in at], golds=golds)
