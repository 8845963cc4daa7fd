"""Plots as SVG text, made on the server: pure functions of numbers, drawn with the page's own CSS variables.

They need no script, print as they stand, and carry a title and a description for those who do not see them.
Colour never speaks alone: shape, fill, dash and a written label say the same.
Units: shares between 0 and 1 are drawn as percentages; divergences in sqrt(nats). Sizes are SVG user units, about
one CSS pixel on a phone.
"""

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 420

Scale = Callable[[float, float], tuple[float, float]]
"""Numbers to places on the page."""


@dataclass(frozen=True)
class Interval:
    """A number with its ends."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """One row of a forest plot: a paired difference in shares."""

    label: str
    text: str
    difference: Interval
    state: str


@dataclass(frozen=True)
class Bar:
    """One bar of a group."""

    label: str
    text: str
    share: Interval
    style: str
    """CSS class: `bar-0`, `bar-1`, `bar-2`."""


@dataclass(frozen=True)
class Rung:
    """One row of a ladder: a number on a track of its own, or the numbers of two models."""

    label: str
    text: str
    ends: tuple[float, float]
    """What the track's ends stand for."""
    better: str
    """The end that is wanted: "left", "right", or empty."""
    first: Interval | None
    second: Interval | None = None


@dataclass(frozen=True)
class Mark:
    """One point of a curve."""

    label: str
    x: float
    y: Interval
    hollow: bool
    """Drawn without fill: not admissible."""


@dataclass(frozen=True)
class Row:
    """One row of a picture: what is drawn over the distance from the start."""

    name: str
    series: Sequence[tuple[str, str, Sequence[Mark]]]
    """(name, CSS class, marks) of each line."""
    fit: Sequence[Mark] = ()
    lines: Sequence[tuple[str, float]] = ()
    """(name, height) of horizontal lines."""
    shares: bool = True
    """Percentages on the axis; else plain numbers."""


def _svg(width: int, height: float, title: str, body: Sequence[str]) -> str:
    size = " small" if width < 300 else ""
    return (
        f'<svg class="plot{size}" viewBox="0 0 {width} {height:g}" role="img" aria-label="{escape(title)}" '
        f'style="--w:{width}"><title>{escape(title)}</title>{"".join(body)}</svg>'
    )


def _text(x: float, y: float, words: str, cls: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, cls: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{cls}"/>'


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers inside [low, high].

    >>> nice_ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span / most))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if span / (power * m) <= most - 1 + 1e-9)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + i) * step, 10) + 0.0 for i in range(count)]


def percent(share: float) -> str:
    """An axis label.

    >>> percent(0.025), percent(-0.2)
    ('2.5 %', '−20 %')
    """
    return f"{100 * share:g} %".replace("-", "−")


def strip(before: Interval | None, after: Interval | None, line: float, title: str) -> str:
    """Rate before and after on one axis from 0 to 100 %, with the norm's line."""
    left, right, y = 8, WIDTH - 8, 20

    def at(share: float) -> float:
        return left + (right - left) * min(max(share, 0), 1)

    body = [_line(left, y, right, y, "axis")]
    body += [_line(at(t), y - 3, at(t), y + 3, "axis") for t in (0, 0.25, 0.5, 0.75, 1)]
    body += [_text(at(t), y + 20, percent(t), "tick", a) for t, a in ((0, "start"), (0.5, "middle"), (1, "end"))]
    body += [_line(at(line), y - 12, at(line), y + 12, "limit")]
    for moment, cls in ((before, "before"), (after, "after")):
        if moment:
            body.append(_line(at(moment.low), y, at(moment.high), y, f"whisker {cls}"))
            body.append(f'<circle cx="{at(moment.value):.1f}" cy="{y}" r="5.5" class="dot {cls}"/>')
    return _svg(WIDTH, 44, title, body)


def forest(effects: Sequence[Effect], *, better: str, margin: float, title: str) -> str:
    """Paired differences with intervals around zero; `better` is "left" or "right", `margin` is shaded."""
    row, top = 42, 24
    height = top + row * len(effects) + 26
    reach = max([abs(v) for e in effects for v in (e.difference.low, e.difference.high)] + [2 * margin, 0.1])
    ticks = list(nice_ticks(-reach, reach, 5))
    left, right = 14, WIDTH - 14

    def at(share: float) -> float:
        return left + (right - left) * (share + reach) / (2 * reach)

    worse, improved = ("more →", "← fewer") if better == "left" else ("← worse", "better →")
    near, far = (improved, worse) if better == "left" else (worse, improved)
    body = [_text(left, 12, near, "tick"), _text(right, 12, far, "tick", "end")]
    if margin:
        body.append(
            f'<rect x="{at(-margin):.1f}" y="{top}" width="{at(margin) - at(-margin):.1f}" '
            f'height="{row * len(effects)}" class="band"/>'
        )
    body.append(_line(at(0), top - 6, at(0), height - 22, "zero"))
    for i, effect in enumerate(effects):
        y = top + row * i
        d = effect.difference
        body.append(_text(left, y + 14, effect.label, "name"))
        body.append(_text(right, y + 14, effect.text, "value", "end"))
        body.append(_line(at(d.low), y + 28, at(d.high), y + 28, "whisker after"))
        body += [_line(at(v), y + 24, at(v), y + 32, "whisker after") for v in (d.low, d.high)]
        body.append(_state_mark(at(d.value), y + 28, effect.state))
    body += [_line(left, height - 22, right, height - 22, "axis")]
    for t in ticks:
        body.append(_line(at(t), height - 22, at(t), height - 18, "axis"))
        body.append(_text(at(t), height - 6, f"{100 * t:+g}".replace("+0", "0").replace("-", "−"), "tick", "middle"))
    return _svg(WIDTH, height, title, body)


def ladder(rungs: Sequence[Rung], *, title: str) -> str:
    """Numbers with intervals below each other, each on its own track; a triangle points to the end that is wanted."""
    left, right, top = 14, WIDTH - 14, 0
    body = []
    for rung in rungs:
        low, high = rung.ends

        def at(value: float, low: float = low, high: float = high) -> float:
            return left + (right - left) * min(max((value - low) / (high - low), 0), 1)

        # About seven units a letter of a bold name: what does not fit beside it goes below.
        apart = len(rung.label) * 7 + len(rung.text) * 6.2 > WIDTH
        y = top + (45 if apart else 30)
        body.append(_text(2, top + 14, rung.label, "name"))
        body.append(_text(WIDTH - 2, y - 16, rung.text, "value", "end"))
        body.append(_line(left, y, right, y, "axis"))
        body += [_line(x, y - 4, x, y + 4, "axis") for x in ([at(0)] if low < 0 < high else [])]
        if rung.better:
            x, way = (left - 3, -7) if rung.better == "left" else (right + 3, 7)
            body.append(f'<path d="M{x} {y - 5} l{way} 5 {-way} 5z" class="wanted"/>')
        for moment, cls in ((rung.first, "before" if rung.second else "after"), (rung.second, "after")):
            if moment:
                body.append(_line(at(moment.low), y, at(moment.high), y, f"whisker {cls}"))
                body.append(f'<circle cx="{at(moment.value):.1f}" cy="{y}" r="5" class="dot {cls}"/>')
        top = y + 14
    return _svg(WIDTH, top, title, body)


def _state_mark(x: float, y: float, state: str) -> str:
    """A square for satisfied, a cross for not satisfied, a hollow diamond for the rest."""
    if state == "satisfied":
        return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" class="mark good"/>'
    if state == "not satisfied":
        return f'<path d="M{x - 5:.1f} {y - 5:.1f} l10 10 m0 -10 l-10 10" class="mark cross"/>'
    return f'<path d="M{x:.1f} {y - 6.5:.1f} l6.5 6.5 -6.5 6.5 -6.5 -6.5z" class="mark open"/>'


def picture(rows: Sequence[Row], *, stop: str | None, notes: Sequence[str] = (), title: str) -> str:
    """Rows above each other over the same d = sqrt(KL), the stop through all of them, and notes below."""
    left, right, tall, gap, over = 44, WIDTH - 96, 150, 34, 48
    xs = [m.x for row in rows for m in (*row.fit, *(m for _, _, s in row.series for m in s))]
    x_top = max([*xs, 1e-6]) * 1.04
    body: list[str] = []
    for i, row in enumerate(rows):
        top = over + i * (tall + gap)
        body += _row(row, (left, right, top, top + tall), x_top, stop, last=i == len(rows) - 1, first=i == 0)
    base = over + len(rows) * (tall + gap)
    body.append(_text((left + right) / 2, base + 2, "distance from the start, d = √KL (√nats)", "tick", "middle"))
    lines = [line for note in notes for line in textwrap.wrap(note, 60)]
    body += [_text(4, base + 24 + 16 * i, line, "value") for i, line in enumerate(lines)]
    return _svg(WIDTH, base + 12 + 16 * len(lines) + (12 if lines else 0), title, body)


def _row(
    row: Row, box: tuple[float, float, float, float], x_top: float, stop: str | None, *, last: bool, first: bool
) -> list[str]:
    left, right, top, bottom = box
    marks = [m for _, _, s in row.series for m in s]
    ends = [v for m in (*marks, *row.fit) for v in (m.y.low, m.y.high)] + [y for _, y in row.lines]
    pad = max(0.05 * (max(ends) - min(ends)), 0.01)
    y_low, y_high = min(ends) - pad, max(ends) + pad
    y_low = max(y_low, 0.0) if row.shares else y_low

    def at(x: float, y: float) -> tuple[float, float]:
        share = (min(max(y, y_low), y_high) - y_low) / (y_high - y_low)
        return left + (right - left) * x / x_top, bottom - (bottom - top) * share

    ticks = nice_ticks(0, x_top) if last else []
    body = [_text(4, top - 10, row.name, "name"), *_grid(at, box, ticks, nice_ticks(y_low, y_high, 5), row.shares)]
    body += [_line(left, at(0, y)[1], right, at(0, y)[1], "limit") for _, y in row.lines]
    body += [_text(left + 4, at(0, y)[1] - 4, name, "limit") for name, y in row.lines]
    body += _fit(row.fit, at) if row.fit else []
    here = next((m for m in marks if m.label == stop), None)
    if here:
        x = at(here.x, 0)[0]
        body.append(_line(x, top - (24 if first else 4), x, bottom, "stop"))
        anchor = "start" if x < left + 90 else "end" if x > right - 30 else "middle"
        body += [_text(x, top - 30, f"stop: {stop}", "stop", anchor)] if first else []
    for _, cls, points in row.series:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(m.x, m.y.value) for m in points))
        body.append(f'<polyline points="{path}" class="series {cls}"/>')
        body += [_mark(m, cls, at) for m in points]
    # Names stand beside their last points, apart from each other and inside the row.
    names = sorted((at(p[-1].x, p[-1].y.value)[1], name, cls) for name, cls, p in row.series)
    lowest = -math.inf
    for i, (y, name, cls) in enumerate(names):
        lowest = max(min(y, bottom - 13 * (len(names) - 1 - i)), lowest + 13)
        body.append(_text(right + 7, lowest + 4, _short(name), f"tick {cls}"))
    return body


def _short(name: str, most: int = 15) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _fit(fit: Sequence[Mark], at: Scale) -> list[str]:
    """A fitted line in its band."""
    upper, lower = [at(m.x, m.y.high) for m in fit], [at(m.x, m.y.low) for m in reversed(fit)]
    band = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *lower))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(m.x, m.y.value) for m in fit))
    return [f'<polygon points="{band}" class="fitted"/>', f'<polyline points="{path}" class="series fit"/>']


def page(plots: Sequence[str], style: str, *, columns: int = 1) -> str:
    """Plots above each other, or in rows of `columns`, as one SVG file that stands alone, with the page's own style."""
    boxes = [re.search(r'viewBox="0 0 (\S+) (\S+)"', plot) for plot in plots]
    sizes = [(float(m[1]), float(m[2])) for m in boxes if m]
    width, pad = max(w for w, _ in sizes), 20.0
    body, y, tall = [], pad, 0.0
    for i, (plot, (w, h)) in enumerate(zip(plots, sizes, strict=True)):
        place = i % columns
        if i and not place:
            y, tall = y + tall + pad, 0.0
        x, tall = pad + place * (width + pad), max(tall, h)
        body.append(plot.replace("<svg ", f'<svg x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" ', 1))
    across, down = pad + min(columns, len(plots)) * (width + pad), y + tall + pad
    frame = f'width="{across:g}" height="{down:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:g} {down:g}" {frame}><style>'
        f'{escape(style, False)}</style><rect {frame} style="fill: var(--paper)"/>{"".join(body)}</svg>\n'
    )


def _mark(m: Mark, cls: str, at: Scale) -> str:
    (x, y), (_, low), (_, high) = at(m.x, m.y.value), at(m.x, m.y.low), at(m.x, m.y.high)
    fill = "hollow" if m.hollow else ""
    tip = f"{m.label}: {m.y.value:.3f}{', not admissible' if m.hollow else ''}"
    return (
        f'<g class="{cls}"><title>{escape(tip)}</title>{_line(x, low, x, high, "whisker")}'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="dot {fill}"/></g>'
    )


def _grid(
    at: Scale, box: tuple[float, float, float, float], xs: Sequence[float], ys: Sequence[float], shares: bool = True
) -> list[str]:
    """Light horizontal lines with percentages, and ticks of the horizontal axis."""
    left, right, _, bottom = box
    body = [_line(left, at(0, y)[1], right, at(0, y)[1], "grid") for y in ys]
    body += [_text(left - 6, at(0, y)[1] + 4, percent(y) if shares else f"{y:g}", "tick", "end") for y in ys]
    body.append(_line(left, bottom, right, bottom, "axis"))
    for x in xs:
        body.append(_line(at(x, 0)[0], bottom, at(x, 0)[0], bottom + 4, "axis"))
        body.append(_text(at(x, 0)[0], bottom + 17, f"{x:g}", "tick", "middle"))
    return body


def _stop_line(
    marks: Sequence[Mark], stop: str | None, at: Scale, top: float, bottom: float, left: float, right: float
) -> list[str]:
    here = next((m for m in marks if m.label == stop), None)
    if not here:
        return []
    x = at(here.x, 0)[0]
    anchor = "start" if x < left + 60 else "end" if x > right - 60 else "middle"
    return [_line(x, top - 8, x, bottom, "stop"), _text(x, top - 13, f"stop: {stop}", "stop", anchor)]


def panel(marks: Sequence[Mark], *, line: float, stop: str | None, title: str) -> str:
    """One norm's rate of breaches over distance, small, with its line; hollow where this norm vetoes."""
    width, height, left, right, top, bottom = 220, 142, 40, 212, 24, 114
    x_top = max([*(m.x for m in marks), 1e-6]) * 1.04
    y_high = min(1.0, max([m.y.high for m in marks] + [2 * line])) * 1.05

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x / x_top, bottom - (bottom - top) * min(max(y, 0), y_high) / y_high

    body = _grid(at, (left, right, top, bottom), nice_ticks(0, x_top, 4), nice_ticks(0, y_high, 4))
    body += [_line(left, at(0, line)[1], right, at(0, line)[1], "limit")]
    body += _stop_line(marks, stop, at, top, bottom, left, right)
    body += [_text(right, at(0, line)[1] - 4, f"line {percent(line)}", "limit", "end")]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(m.x, m.y.value) for m in marks))
    body.append(f'<polyline points="{path}" class="series norm"/>')
    body += [_mark(m, "norm", at) for m in marks]
    return _svg(width, height, title, body)


def effort(
    series: Sequence[tuple[str, str, Sequence[Mark]]], *, most: int, title: str, heading: Sequence[str] = ()
) -> str:
    """Share of goals broken within so many tries, small: (name, CSS class, marks) of each line, named in the legend.

    `heading`: lines above it, where nothing around it says what it is.
    """
    over = 14 * len(heading)
    width, height, left, right, top, bottom = 220, 140 + over, 40, 212, 12 + over, 104 + over

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * (x - 0.5) / most, bottom - (bottom - top) * min(max(y, 0), 1)

    ticks = [x for x in nice_ticks(1, most, 4) if x >= 1 and x == int(x)] or [1]
    body = [_text(2, 12 + 14 * i, line, "" if i else "name") for i, line in enumerate(heading)]
    body += _grid(at, (left, right, top, bottom), ticks, [0, 0.25, 0.5, 0.75, 1])
    for _, cls, marks in series:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(m.x, m.y.value) for m in marks))
        body += [f'<polyline points="{path}" class="series {cls}"/>', *(_mark(m, cls, at) for m in marks)]
    body.append(_text((left + right) / 2, bottom + 30, "tries", "tick", "middle"))
    return _svg(width, height, title, body)


def bars(groups: Sequence[tuple[str, Sequence[Bar]]], *, line: float, title: str) -> str:
    """Groups of horizontal bars with intervals, and a dashed line where the aim lies."""
    thick, gap, top = 15, 30, 8
    height = top + sum(gap + thick * len(b) for _, b in groups) + 24
    high = max([b.share.high for _, rows in groups for b in rows] + [2 * line])
    high = min(1.0, high * 1.05)
    left, right = 106, WIDTH - 62

    def at(share: float) -> float:
        return left + (right - left) * min(max(share, 0), high) / high

    body, y = [], float(top)
    for name, rows in groups:
        body.append(_text(2, y + 15, name, "name"))
        y += 22
        body.append(_line(at(line), y - 1, at(line), y + thick * len(rows) + 1, "limit"))
        body.append(_line(left, y - 1, left, y + thick * len(rows) + 1, "axis"))
        for bar in rows:
            middle = y + thick / 2
            body.append(_text(left - 6, middle + 4, bar.label, "tick", "end"))
            wide = max(at(bar.share.value) - left, 0.0)
            body.append(
                f'<rect x="{left}" y="{y + 2:.1f}" width="{wide:.1f}" height="{thick - 4}" class="{bar.style}"/>'
            )
            body.append(_line(at(bar.share.low), middle, at(bar.share.high), middle, "whisker after"))
            reach = max(at(max(bar.share.high, bar.share.value)), at(line))
            body.append(_text(reach + 6, middle + 4, bar.text, "value"))
            y += thick
        y += gap - 22
    body.append(_text(at(line), height - 8, f"aim {percent(line)}", "limit", "middle"))
    return _svg(WIDTH, height, title, body)


def sparkline(values: Sequence[float], *, title: str) -> str:
    """A series without axes, its first and last values written at the ends."""
    left, right, top, bottom = 46, WIDTH - 46, 8, 52
    low, high = min(values), max(values)

    def at(i: int) -> str:
        x = left + (right - left) * i / max(len(values) - 1, 1)
        return f"{x:.1f},{bottom - (bottom - top) * (values[i] - low) / ((high - low) or 1):.1f}"

    points = [at(i) for i in range(len(values))]
    first, last = (float(p.split(",")[1]) for p in (points[0], points[-1]))
    body = [
        f'<polyline points="{" ".join(points)}" class="series spark"/>',
        _text(left - 6, first + 4, f"{values[0]:.3g}", "value", "end"),
        _text(right + 6, last + 4, f"{values[-1]:.3g}", "value"),
    ]
    return _svg(WIDTH, 60, title, body)
