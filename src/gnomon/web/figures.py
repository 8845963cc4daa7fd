"""From claims and records to the numbers that `plots` draws; a figure without data is the empty string.

It computes no statistics: every interval was made where the claim or record was.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gnomon.assurance import limit_sentences
from gnomon.assurance.evidence import broke
from gnomon.assurance.verdict import percent, signed
from gnomon.charter.schema import Charter, Norm
from gnomon.core.files import read_text
from gnomon.core.types import Claim, Estimate, Json
from gnomon.web import plots
from gnomon.web.plots import Bar, Effect, Interval, Mark, Row

MARGIN = 0.05
MOMENTS = {"before": "before", "after": "after", "guarded": "with guard"}


def ends(estimate: Estimate | None) -> Interval | None:
    """The part of an estimate that is drawn."""
    return Interval(estimate.value, estimate.low, estimate.high) if estimate else None


def norm_strip(norm: Norm, claims: Mapping[str, Claim]) -> str:
    """Before and after of one norm against its line."""
    both = [claims[f"norm/{norm.id}/{m}"].estimate for m in ("before", "after") if f"norm/{norm.id}/{m}" in claims]
    before, after = [*both, None, None][:2]
    if not before and not after:
        return ""
    said = [f"{m} {percent(e.value)}" for m, e in (("before", before), ("after", after)) if e]
    title = f"Share of probes that broke {norm.id}: {', '.join(said)}; line {percent(norm.line.rate)}"
    return plots.strip(ends(before), ends(after), norm.line.rate, title)


def forests(claims: Sequence[Claim]) -> list[tuple[str, str, str]]:
    """(heading, explanation, plot) for norms, lookalikes and preferences."""
    kinds = (
        ("norm", "Breaches of norms", "Share of held-out probes that broke the norm, after minus before.", "left", 0.0),
        ("lookalike", "Harmless lookalikes", "Share that still got its answer, after minus before.", "right", MARGIN),
        ("preference", "Preferences", "Gold measure on held-out cases, after minus before.", "right", MARGIN),
    )
    found = []
    for prefix, heading, words, better, margin in kinds:
        rows = [
            Effect(
                c.target, _difference(c.estimate), Interval(c.estimate.value, c.estimate.low, c.estimate.high), c.state
            )
            for c in claims
            if c.id.startswith(f"{prefix}/") and c.id.endswith("/change") and c.estimate
        ]
        if rows:
            told = "; ".join(f"{r.label} {r.text}" for r in rows)
            found.append((heading, words, plots.forest(rows, better=better, margin=margin, title=f"{heading}: {told}")))
    return found


def _difference(e: Estimate) -> str:
    return f"{signed(e.value)} [{signed(e.low)}, {signed(e.high)}]"


def marks(points: Sequence[Json], pick: str, norm: str, hollow: Sequence[str]) -> list[Mark]:
    """The points of one curve that have both a distance and a value, by distance."""
    found = []
    for p in points:
        value = p["norms"].get(norm) if norm else p[pick]
        if value and p["distance"]:
            y = Interval(value["value"], value["low"], value["high"])
            found.append(Mark(p["label"], p["distance"]["value"], y, p["label"] in hollow))
    return sorted(found, key=lambda m: m.x)


def limit_figures(optimiser: Json, lines: Mapping[str, Json]) -> tuple[str, list[tuple[str, str]]]:
    """One picture of gold, proxy, fit, breaches and stop; and one panel per norm with its own line and vetoes."""
    points, stop, vetoes = optimiser["points"], optimiser["stop"], optimiser["vetoes"]
    series = [(name, name, found) for name in ("gold", "proxy") if (found := marks(points, name, "", list(vetoes)))]
    # A proxy may have any unit; only what is a share belongs on an axis of percentages.
    shares = [s for s in series if all(-0.01 <= v <= 1.01 for m in s[2] for v in (m.y.low, m.y.high))]
    rows = []
    fit = [
        Mark("fit", f["distance"], Interval(f["gold"]["value"], f["gold"]["low"], f["gold"]["high"]), False)
        for f in optimiser.get("fitted", ())
    ]
    for drawn, percentages in ((shares, True), ([s for s in series if s not in shares], False)):
        if drawn:
            own = fit if any(name == "gold" for name, _, _ in drawn) else ()
            names = ", ".join([s[0] for s in drawn] + (["fit"] if own else []))
            rows.append(Row(names.capitalize(), drawn, own, shares=percentages))
    norms = [
        (norm, f"norm dash-{i % 6}", found)
        for i, norm in enumerate(lines)
        if (found := marks(points, "", norm, list(vetoes)))
    ]
    if norms:
        rates = sorted({bar["rate"] for bar in lines.values()})
        rows.append(Row("Breaches of norms", norms, lines=[(f"line {percent(r)}", r) for r in rates]))
    panels = []
    for norm, bar in lines.items():
        by_norm = [label for label, found in vetoes.items() if any(v["norm"] == norm for v in found)]
        if shown := marks(points, "", norm, by_norm):
            rejected = ", ".join(by_norm) or "none"
            title = f"Breaches of {norm} against distance, line {percent(bar['rate'])}; vetoed: {rejected}"
            panels.append((norm, plots.panel(shown, line=bar["rate"], stop=stop, title=title)))
    chosen = f"stop at {stop}" if stop else "no admissible point"
    named = ", ".join(row.name.lower() for row in rows)
    title = f"{named} against distance from the start, {optimiser['name']}; {chosen}"
    return (plots.picture(rows, stop=stop, notes=_notes(optimiser), title=title) if rows else ""), panels


def limit_page(certificate: Json) -> str:
    """The pictures of every optimiser as one SVG file that stands alone; empty where there is none."""
    drawn = [limit_figures(o, certificate["lines"])[0] for o in certificate["optimisers"]]
    style = read_text(Path(__file__).with_name("templates") / "style.css")
    return plots.page([plot for plot in drawn if plot], style) if any(drawn) else ""


def _notes(optimiser: Json) -> list[str]:
    """What the fit says or refuses to say, and the warnings."""
    if "refusal" not in optimiser:
        return []
    return [limit_sentences.fit(optimiser), *(f"Warning: {text}" for text in limit_sentences.warnings(optimiser))]


def attack_bars(claims: Sequence[Claim], charter: Charter | None, aim: float) -> str:
    """Success of attacks per norm and altogether, for every subject that was attacked."""
    by_id = {c.id: c for c in claims}
    groups = []
    for norm in ["", *(n.id for n in charter.norms)] if charter else [""]:
        rows = []
        for i, (subject, label) in enumerate(MOMENTS.items()):
            claim = by_id.get(f"attack/{subject}" + (f"/{norm}" if norm else ""))
            if claim and claim.estimate:
                e = claim.estimate
                text = percent(e.value) if e.value else f"0 (≤ {percent(e.high)})"
                rows.append(Bar(label, text, Interval(e.value, e.low, e.high), f"bar-{i}"))
        if rows:
            groups.append((norm or "All norms", rows))
    if not groups:
        return ""
    told = "; ".join(f"{g}: " + ", ".join(f"{b.label} {b.text}" for b in rows) for g, rows in groups)
    return plots.bars(groups, line=aim, title=f"Share of attack trials that succeeded. {told}")


def heat(
    rows: Sequence[Json], attacks: Sequence[str], norms: Sequence[str]
) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """Attack to (norm, broken, tried) for one subject's payloads; untried pairs have 0 tried."""
    table = []
    for attack in attacks:
        own = [r for p in rows if p["attack"] == attack for r in p["rows"]]
        cells = []
        for norm in norms:
            tried = [b for r in own if r["norm"] == norm and (b := broke(r)) is not None]
            cells.append((norm, sum(tried), len(tried)))
        table.append((attack, cells))
    return table


def losses(log: Sequence[Json]) -> str:
    """The loss of a training run as a sparkline."""
    values = [float(row["loss"]) for row in log if row.get("loss") is not None]
    if len(values) < 2:
        return ""
    return plots.sparkline(
        values, title=f"Training loss over {len(values)} logged steps, {values[0]:.3g} to {values[-1]:.3g}"
    )
