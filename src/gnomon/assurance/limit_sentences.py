"""A limit certificate in sentences, for the page and the terminal: what it says, and what it refuses to say.

It reads the recorded certificate alone and adds no number. A certificate of an older form has fewer sentences.
Units: distances in sqrt(nats), shares as percentages, gold as points of its range.
"""

from collections.abc import Iterator
from itertools import islice

from gnomon.assurance.verdict import interval, points, signed
from gnomon.core.canonical import from_builtins
from gnomon.core.types import Estimate, Json

Sentences = list[tuple[str, str]]
"""(heading, sentence)."""
SHOWN = 3
"""Conflicts and examples that are written out; the certificate holds all."""


def of_optimiser(optimiser: Json) -> Sentences:
    """What was asked of one curve, and the answers."""
    if "refusal" not in optimiser:
        return []
    found = [("Fit", fit(optimiser)), *_margins(optimiser), *_findings(optimiser), *_looks(optimiser)]
    return [*found, *_trade_offs(optimiser), *_conflicts(optimiser)]


def of_certificate(certificate: Json) -> Sentences:
    """What does not belong to one optimiser: prices, and conversations of many turns."""
    if "price" not in certificate:
        return []
    return [*_price(certificate["price"]), *_horizon(certificate["horizon"])]


def fit(optimiser: Json) -> str:
    """The fitted peak, or why none is named."""
    if not (optimiser["fit"] and optimiser["fit"]["peak"]):
        return f"No peak is named: {optimiser['refusal']}."
    peak, reach = _estimate(optimiser["fit"]["peak"]), optimiser["fit"]["reach"]
    return (
        f"Gold is foretold to be highest at d = {peak.value:.2f} [{peak.low:.2f}, {peak.high:.2f}]; nothing is said "
        f"beyond d = {reach:.2f}, 1.3 times the furthest point."
    )


def warnings(optimiser: Json) -> list[str]:
    """The first finding of each kind, along the curve."""
    first: dict[str, str] = {}
    for finding in optimiser["findings"]:
        text = finding["message"]
        # A label is written as it is; everything else begins a sentence.
        begun = text if text.startswith(finding["label"]) else _capital(text)
        first.setdefault(finding["kind"], f"{begun}.")
    return list(first.values())


def _estimate(found: Json) -> Estimate:
    return from_builtins(found, Estimate)


def _margins(optimiser: Json) -> Iterator[tuple[str, str]]:
    rooms = {m["to"]: _estimate(m["room"]) for m in optimiser["margins"]}
    norms = [(to, room) for to, room in rooms.items() if to.startswith("norm ")]
    if norms:
        to, room = norms[0]
        sure = f"surely at least {signed(room.low)}" if room.low > 0 else f"perhaps {signed(room.low)}"
        yield "Room at the stop", f"The nearest line is that of {to}: {signed(room.value)} points off, {sure}."
    if peak := rooms.get("fitted peak"):
        yield "Room to the peak", f"d = {peak.value:.2f} [{peak.low:.2f}, {peak.high:.2f}] before the fitted peak."


def _findings(optimiser: Json) -> Iterator[tuple[str, str]]:
    found = warnings(optimiser)
    yield from (("Warning", text) for text in found)
    if not found:
        yield "Sparse exploits", "None was seen at this level; that is not proof that there is none."
    if optimiser["unfound"]:
        yield "Not looked for", "; ".join(optimiser["unfound"]) + "."


def _looks(optimiser: Json) -> Iterator[tuple[str, str]]:
    looks = optimiser["watch"]
    if len(looks) > 1:
        need = 1 / (1 - looks[-1]["effect"]["confidence"])
        fell = next((look for look in looks if look["stop"]), None)
        most = max(look["e_value"] for look in looks)
        said = (
            f"gold had fallen at {fell['label']}" if fell else f"gold had fallen at none (largest evidence {most:.2g})"
        )
        yield "Looking at every point", f"With evidence of {need:.0f} to 1, {said}."


def _trade_offs(optimiser: Json) -> Iterator[tuple[str, str]]:
    pairs = optimiser["trade_offs"]
    worse = {label: f"{t['norm']} and {t['preference']}" for t in reversed(pairs) for label in t["surely"]}
    if pairs:
        named = "; ".join(f"{label} (as on {worse[label]})" for label in optimiser["grid"] if label in worse)
        said = f"elsewhere a norm is safer and a preference better, beyond chance: {named}" if named else ""
        yield "Trade-offs", f"Of {len(pairs)} pairs of norm and preference: {said or 'no point is surely dominated'}."


def _conflicts(optimiser: Json) -> Iterator[tuple[str, str]]:
    sure = [c for c in optimiser["conflicts"] if c["surely"]]
    for c in islice(sure, SHOWN):
        rise, fall = points(_estimate(c["rise"])), points(_estimate(c["fall"]))
        shown = ", ".join(c["examples"][:SHOWN])
        yield "Conflict", f"By {c['end']}, {c['rises']} rises ({rise}) and {c['falls']} falls ({fall}), as in {shown}."
    if len(sure) > SHOWN:
        yield "Conflict", f"{len(sure) - SHOWN} more are in the certificate."


def _price(price: Json) -> Iterator[tuple[str, str]]:
    if price is None:
        yield "Price of a breach", "Not measured: no price sweep is on record."
        return
    yield "Price of a breach, mask", f"{_capital(price['mask_state'])}: {price['mask_reason']}."
    yield "Price of a breach, penalty", f"{_capital(price['penalty_state'])}: {price['penalty_reason']}."


def _horizon(found: Json) -> Iterator[tuple[str, str]]:
    if not found:
        yield "Long conversations", "Not measured: no judged turns are on record."
    for subject, own in found.items():
        for norm, steps in own["norms"].items():
            last = _estimate(steps[-1]["unbroken"])
            many = f"{len(steps)} turns" if len(steps) > 1 else "1 turn"
            yield (
                "Long conversations",
                f"{subject or 'The model'}: {norm} is unbroken after {many} in {interval(last)}.",
            )
        changes = [(at["turn"], _estimate(at["gold_change"])) for at in own["turns"] if at["gold_change"]]
        if changes:
            turn, change = changes[-1]
            yield (
                "Long conversations",
                f"{subject or 'The model'}: gold at turn {turn} against the first: {points(change)}.",
            )


def _capital(state: str) -> str:
    return state[:1].upper() + state[1:]
