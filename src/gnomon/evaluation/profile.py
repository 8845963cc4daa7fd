"""A model along the whole alignment target: every suite in turn, and two models compared on the same items.

It decides nothing: a profile has no verdict, a charter's norms have. Suites are asked one after the other; a suite that
cannot be asked (choices, of a model that gives replies only) has missing answers, counted with their reason.
Source: paired differences, Miller 2411.00640; false discoveries over all differences, Benjamini and Hochberg 1995.
Units: those of each measurement; `difference` is the second model minus the first.
Fails: closed; two profiles that were not asked the same raise DataError.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from gnomon.core import plugin
from gnomon.core.canonical import from_builtins
from gnomon.core.errors import DataError, ModelError
from gnomon.core.protocols import Executor, Model, Sink
from gnomon.core.statistics.correction import Corrected
from gnomon.core.statistics.multiplicity import benjamini_hochberg
from gnomon.core.statistics.paired import paired
from gnomon.core.types import Estimate, Json, Record
from gnomon.evaluation.items import Answer, Direction, Item, Measured, Suite
from gnomon.evaluation.likelihood import likelihoods
from gnomon.evaluation.measure import measure
from gnomon.executor.answers import Store
from gnomon.ledger.store import Ledger
from gnomon.models.endpoint import Endpoint

ASKED_ALIKE = ("version", "settings", "share", "sampling")
"""What two answers records must have in common before their items are compared."""
DIFFERENCES = {"rate": "difference of rates", "probability": "difference of probabilities"}
"""What the difference of two numbers of a unit is called, where it is not the unit itself."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement of a profile."""

    suite: str
    measured: Measured
    corrected: Corrected | None
    """For the errors of the program that judged, where labels allow it."""
    record: str
    """The `measures` record that it stands in."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One measurement of two models, item by item."""

    suite: str
    dimension: str
    direction: Direction
    first: Estimate
    second: Estimate
    difference: Estimate
    fell: int
    """Items whose value went down."""
    rose: int
    unpaired: int
    """Items with a value of one model only."""
    p: float
    q: float
    """Adjusted for all measurements that were compared together (false discovery rate)."""

    @property
    def better(self) -> bool | None:
        """Whether the second model is better; None where no way is good or nothing differs."""
        if self.direction == "neither" or self.difference.value == 0:
            return None
        return (self.difference.value > 0) == (self.direction == "higher is better")


def own_suites() -> list[str]:
    """Names of the suites that bring their own items; the others read data that somebody must name."""
    return [n for n in plugin.names("suite") if "path" not in {f.name for f in fields(plugin.load("suite", n))}]


def built(names: Sequence[str], settings: Mapping[str, Mapping[str, Json]]) -> dict[str, Any]:
    """The suites by name. Raises SettingsError for settings of a suite that is not among them."""
    odd = sorted(set(settings) - set(names))
    if odd:
        raise DataError(f"settings of '{odd[0]}', which is not asked; write --suite {odd[0]}")
    return {name: plugin.build("suite", name, settings.get(name, {})) for name in names}


def profile(
    *,
    suites: Mapping[str, Suite],
    subject: str,
    model: Model,
    seed: int,
    share: float,
    store: Store,
    ledger: Ledger,
    stage: Callable[[str], Sink],
    executor: Callable[[Sink], Executor | None],
) -> list[Record]:
    """The `measures` record of each suite, in order; `stage` opens each by its title."""
    found = []
    for name, suite in suites.items():
        sink = stage(f"{subject}: {name}")
        found.append(
            measure(
                suite=suite,
                name=name,
                subject=subject,
                model=model,
                seed=seed,
                share=share,
                store=store,
                ledger=ledger,
                sink=sink,
                likelihood=likelihoods if isinstance(model, Endpoint) else or_missing,
                executor=executor(sink),
            )
        )
    return found


def or_missing(*, model: Model, items: Sequence[Item]) -> Mapping[str, Answer]:
    """Log-probabilities of choices, or answers that say why there are none."""
    try:
        return likelihoods(model=model, items=items)
    except ModelError as error:
        return {i.id: Answer(item=i.id, error=str(error)) for i in items if i.choices}


def rows(ledger: Ledger, subject: str) -> list[Row]:
    """The latest measurements of a subject, suite by suite."""
    latest = {r.labels["suite"]: r for r in ledger.find("measures", subject=subject)}
    return [
        Row(
            suite=suite,
            measured=(measured := from_builtins(row, Measured)),
            corrected=from_builtins(told, Corrected) if (told := payload["judges"].get(measured.dimension)) else None,
            record=record.id,
        )
        for suite, record in latest.items()
        for payload in [ledger.payload(record)]
        for row in payload["rows"]
    ]


def compared(ledger: Ledger, first: str, second: str) -> list[Compared]:
    """Every measurement that both subjects have item by item. Raises DataError unless they were asked alike."""
    sides = [{r.labels["suite"]: r for r in ledger.find("measures", subject=s)} for s in (first, second)]
    found: list[Compared] = []
    for suite in (s for s in sides[0] if s in sides[1]):
        found += _suite(ledger, suite, sides[0][suite], sides[1][suite])
    adjusted = benjamini_hochberg([c.p for c in found]) if found else []
    return [replace(c, q=q) for c, q in zip(found, adjusted, strict=True)]


def _suite(ledger: Ledger, suite: str, first: Record, second: Record) -> list[Compared]:
    asked = [ledger.payload(ledger.get(r.parents[0])) for r in (first, second)]
    if odd := [k for k in ASKED_ALIKE if asked[0][k] != asked[1][k]]:
        raise DataError(f"suite '{suite}': the two models were asked with another {odd[0]}; measure both alike")
    payloads = [ledger.payload(r) for r in (first, second)]
    clusters = payloads[0]["clusters"] | payloads[1]["clusters"]
    old, new = ({row["dimension"]: from_builtins(row, Measured) for row in p["rows"]} for p in payloads)
    pairs = [(old[d], new[d], clusters) for d in old if d in new and old[d].values.keys() & new[d].values.keys()]
    return [_compared(suite, *pair) for pair in pairs]


def _compared(suite: str, old: Measured, new: Measured, clusters: Mapping[str, str]) -> Compared:
    both = [item for item in old.values if item in new.values]
    befores, afters = [[old.values[i]] for i in both], [[new.values[i]] for i in both]
    ends = [v for own in (*befores, *afters) for v in own]
    low, high = min(ends), max(ends)
    bounds = (0.0, 1.0) if low >= 0 and high <= 1 else (-1.0, 1.0) if low >= -1 and high <= 1 else None
    found = paired(befores, afters, [clusters[i] for i in both], bounds=bounds, unit=old.estimate.unit)
    return Compared(
        suite=suite,
        dimension=old.dimension,
        direction=old.direction,
        first=found.before,
        second=found.after,
        difference=replace(found.difference, unit=DIFFERENCES.get(old.estimate.unit, old.estimate.unit)),
        fell=found.fell,
        rose=found.rose,
        unpaired=len(old.values.keys() ^ new.values.keys()),
        p=found.p,
        q=found.p,
    )
