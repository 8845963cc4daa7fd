"""Plots: valid XML, places that follow the numbers, and labels for those who do not see them."""

import itertools
import re
from xml.etree import ElementTree as ET

import pytest

from gnomon.web.plots import (
    Bar,
    Effect,
    Interval,
    Mark,
    Row,
    Rung,
    bars,
    effort,
    forest,
    ladder,
    nice_ticks,
    page,
    panel,
    picture,
    sparkline,
    strip,
)


def parse(svg):
    return ET.fromstring(svg)  # noqa: S314 - our own text


def marks(*rows):
    return [Mark(f"step-{x}", x, Interval(y, y - 0.05, y + 0.05), hollow) for x, y, hollow in rows]


def attributes(svg, tag, cls):
    return [e.attrib for e in parse(svg).iter(tag) if cls in e.attrib.get("class", "").split()]


ALL = {
    "strip": strip(Interval(0.6, 0.5, 0.7), Interval(0.0, 0.0, 0.04), 0.05, "a < b & c"),
    "forest": forest(
        [
            Effect("x<y", "−1", Interval(-0.4, -0.5, -0.3), "satisfied"),
            Effect("z", "0", Interval(0, -0.1, 0.1), "inconclusive"),
        ],
        better="left", margin=0.05, title="t",
    ),
    "ladder": ladder(
        [
            Rung("a < b", "50 %", (0.0, 1.0), "right", Interval(0.5, 0.4, 0.6)),
            Rung("a name that is much too long to stand beside it", "−50 points", (-1.0, 1.0), "left",
                 Interval(-0.5, -0.6, -0.4), Interval(0.0, -0.1, 0.1)),
        ],
        title="t & u",
    ),
    "picture": picture(
        [
            Row("Gold", [("gold", "gold", marks((0, 0.4, 1), (1, 0.6, 0)))], fit=marks((0, 0.4, 0), (1.3, 0.7, 0))),
            Row("Breaches", [("a-norm-with-a-name", "norm", marks((0, 0.4, 1), (1, 0.1, 0)))], lines=[("l", 0.05)]),
        ],
        stop="step-1", notes=["a < b " * 30], title="t",
    ),
    "panel": panel(marks((0, 0.4, True), (1, 0.05, False)), line=0.05, stop="step-1", title="t"),
    "bars": bars([("All", [Bar("before", "1", Interval(0.5, 0.4, 0.6), "bar-0")])], line=0.02, title="t"),
    "sparkline": sparkline([3.0, 2.0, 1.0], title="t"),
    "effort": effort([("a", "gold", marks((1, 0.4, True), (3, 0.9, False)))], most=3, title="t", heading=("a < b",)),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_valid_xml_with_a_name_and_no_fixed_colour(name):
    root = parse(ALL[name])
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root.find("title").text
    assert not re.search(r"#[0-9a-f]{3}|rgb\(|fill=\"(?!none)", ALL[name])
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for e in root.iter():
        for key, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y1", height), ("cy", height)):
            if key in e.attrib:
                assert -0.5 <= float(e.attrib[key]) <= most + 0.5, (name, e.attrib)


def test_larger_values_lie_further_right_or_higher():
    before, after = (next(float(a["cx"]) for a in attributes(ALL["strip"], "circle", c)) for c in ("before", "after"))
    assert before > after
    low, high, broken, kept = (float(a["cy"]) for a in attributes(ALL["picture"], "circle", "dot"))
    assert low > high
    assert kept > broken > low
    zero = attributes(ALL["forest"], "line", "zero")[0]["x1"]
    assert float(attributes(ALL["forest"], "rect", "mark")[0]["x"]) < float(zero)


def test_inadmissible_points_are_hollow_and_the_stop_is_marked():
    hollow = attributes(ALL["panel"], "circle", "hollow")
    stop = attributes(ALL["panel"], "line", "stop")
    assert len(hollow) == 1
    assert len(stop) == 1
    filled = [a for a in attributes(ALL["panel"], "circle", "dot") if a not in hollow]
    assert stop[0]["x1"] == filled[0]["cx"]
    assert not attributes(panel(marks((0, 0.4, True)), line=0.05, stop=None, title="t"), "line", "stop")


def test_state_is_a_shape_not_only_a_colour():
    drawn = {
        s: forest([Effect("e", "t", Interval(0, -0.1, 0.1), s)], better="left", margin=0, title="t")
        for s in ("satisfied", "not satisfied", "inconclusive")
    }
    assert 'class="mark good"' in drawn["satisfied"]
    assert 'class="mark cross"' in drawn["not satisfied"]
    assert 'class="mark open"' in drawn["inconclusive"]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.3, 0.3), (0, 2.34), (0.31, 0.68), (0, 1e-6), (-40, 3000)])
def test_ticks_are_inside_few_and_even(low, high):
    found = nice_ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in found)
    gaps = {round(b - a, 9) for a, b in itertools.pairwise(found)}
    assert len(gaps) <= 1


def test_one_point_and_flat_series_are_drawn():
    flat = [Mark("before", 0.0, Interval(0.0, 0.0, 0.0), True)]
    parse(picture([Row("Gold", [("gold", "gold", flat)])], stop=None, title="t"))
    parse(panel(flat, line=0.05, stop=None, title="t"))
    parse(sparkline([1.0, 1.0], title="t"))


def test_rows_share_their_axis_and_the_stop_runs_through_all():
    lines = attributes(ALL["picture"], "line", "stop")
    assert len(lines) == 2
    dots = attributes(ALL["picture"], "circle", "dot")
    assert {a["x1"] for a in lines} == {dots[1]["cx"]} == {dots[3]["cx"]}
    texts = [e.text for e in parse(ALL["picture"]).iter("text")]
    assert "a-norm-with-a-…" in texts
    assert texts.count("stop: step-1") == 1
    assert max(map(len, texts)) <= 60


def test_a_page_of_plots_places_them_below_each_other():
    root = parse(page([ALL["strip"].replace("<svg", "<svg"), ALL["panel"]], ".plot > text { color: red }"))
    space = "{http://www.w3.org/2000/svg}"
    first, second = root.findall(f"{space}svg")
    assert float(second.attrib["y"]) > float(first.attrib["y"]) + float(first.attrib["height"])
    assert root.find(f"{space}style").text == ".plot > text { color: red }"
    rows = parse(page([ALL["panel"]] * 5, "", columns=2)).findall(f"{space}svg")
    places = [(float(r.attrib["x"]), float(r.attrib["y"])) for r in rows]
    assert len({x for x, _ in places}) == 2
    assert [sum(y == top for _, y in places) for top in sorted({y for _, y in places})] == [2, 2, 1]


def test_a_ladder_puts_each_number_on_its_own_track_and_points_to_what_is_wanted():
    drawn = ladder(
        [
            Rung("one", "", (0.0, 1.0), "right", Interval(0.25, 0.0, 0.5)),
            Rung("two", "", (-2.0, 2.0), "left", Interval(-1.0, -2.0, 0.0), Interval(2.0, 1.0, 2.0)),
            Rung("three", "", (0.0, 1.0), "", Interval(1.0, 1.0, 1.0)),
        ],
        title="t",
    )
    (first,), (second,), (third,) = (
        [a["cx"] for a in attributes(drawn, "circle", cls) if pick(float(a["cy"]))]
        for cls, pick in (("before", lambda y: True), ("after", lambda y: 60 < y < 80), ("after", lambda y: y > 100))
    )
    assert float(second) == float(third) == 420 - 14
    assert float(first) == 14 + (420 - 28) / 4
    assert len(attributes(drawn, "path", "wanted")) == 2
    assert len(attributes(drawn, "line", "axis")) == 3 + 1, "a tick at zero where zero is within"


def test_success_against_effort_rises_from_left_to_right_and_names_itself():
    marks = [Mark(f"{k} tries", k, Interval(k / 5, k / 10, k / 4), False) for k in (1, 2, 3)]
    drawn = effort([("before", "proxy", marks)], most=3, title="t", heading=("one", "two"))
    path = re.search(r'<polyline points="([^"]+)"', drawn)[1]
    xs, ys = zip(*[tuple(map(float, p.split(","))) for p in path.split()], strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True), "higher is further up"
    assert ">one<" in drawn
    assert ">two<" in drawn
    assert effort([], most=1, title="nothing").count("<polyline") == 0
