"""From records to figures: what is missing is not drawn, what vetoes is hollow."""

import re
from xml.etree import ElementTree as ET

from gnomon.web import figures
from gnomon.web.report import claims_of
from tests.demo_ledger import NORMS, charter


def test_no_data_no_figure():
    assert figures.forests([]) == []
    assert figures.attack_bars([], charter(), 0.02) == ""
    assert figures.losses([{"step": 1, "loss": 0.4}]) == ""
    assert figures.norm_strip(charter().norms[0], {}) == ""
    empty = {"name": "dpo", "points": [], "stop": None, "vetoes": {}}
    assert figures.limit_figures(empty, {"staff-code": {"rate": 0.05}}) == ("", [])


def test_hollow_in_a_panel_is_that_norms_own_veto(runs):
    payload = runs["full"].payload(runs["full"].find("limit")[-1])
    optimiser = payload["optimisers"][0]
    main, panels = figures.limit_figures(optimiser, payload["lines"])
    assert {n for n, _ in panels} == set(NORMS)
    # Gold, proxy and each norm's rate: every curve of the picture shows which points are not admissible.
    assert len(re.findall(r'class="dot hollow"', main)) == (2 + len(NORMS)) * len(optimiser["vetoes"])
    for norm, svg in panels:
        own = [p for p, found in optimiser["vetoes"].items() if any(v["norm"] == norm for v in found)]
        assert len(re.findall(r'class="dot hollow"', svg)) == len(own)


def test_a_proxy_that_is_no_share_gets_its_own_row(runs):
    payload = runs["full"].payload(runs["full"].find("limit")[-1])
    training, sampled = (figures.limit_figures(o, payload["lines"])[0] for o in payload["optimisers"])
    assert ">Gold, proxy<" in training
    assert ">Gold<" in sampled
    assert ">Proxy<" in sampled


def test_the_picture_says_what_was_refused_and_warned_of(runs):
    payload = runs["full"].payload(runs["full"].find("limit")[-1])
    main, _ = figures.limit_figures(payload["optimisers"][0], payload["lines"])
    words = " ".join(re.findall(r'class="value"[^>]*>([^<]+)<', main))
    assert words.startswith("No peak is named: the form does not fit")
    assert "Warning: Gold fell by" in words
    assert 'class="fitted"' not in main
    points = payload["optimisers"][0]["points"]
    fitted = [{"distance": p["distance"]["value"], "gold": p["gold"]} for p in points]
    drawn, _ = figures.limit_figures(payload["optimisers"][0] | {"fitted": fitted}, payload["lines"])
    assert 'class="fitted"' in drawn
    assert ">Gold, proxy, fit<" in drawn
    # A record of the older form has neither.
    old = {k: v for k, v in payload["optimisers"][0].items() if k in ("name", "points", "stop", "vetoes")}
    assert "No peak" not in figures.limit_figures(old, payload["lines"])[0]


def test_the_page_of_pictures_stands_alone(runs):
    payload = runs["full"].payload(runs["full"].find("limit")[-1])
    root = ET.fromstring(figures.limit_page(payload))  # noqa: S314 - our own text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{http://www.w3.org/2000/svg}svg")) == 2
    assert ".plot .series" in root.find("{http://www.w3.org/2000/svg}style").text
    assert figures.limit_page({"optimisers": [], "lines": {}}) == ""


def test_heat_counts_trials(runs):
    ledger = runs["full"]
    payloads = [ledger.payload(r) for r in ledger.find("attack", subject="after")]
    table = dict(figures.heat(payloads, ["direct", "absent"], list(NORMS)))
    assert all(tried == 24 for _, _, tried in table["direct"])
    assert all((broke, tried) == (0, 0) for _, broke, tried in table["absent"])
    rows = next(p for p in payloads if p["attack"] == "direct")["rows"]
    assert sum(b for _, b, _ in table["direct"]) == sum(r["broke"] is not None for r in rows)


def test_bars_follow_the_claims(runs):
    claims = [s.claim for s in claims_of(runs["full"])]
    svg = figures.attack_bars(claims, charter(), 0.02)
    assert svg.count('class="bar-0"') == svg.count('class="bar-1"') == svg.count('class="bar-2"') == 1 + len(NORMS)
    assert "0 (≤ 0.6 %)" in svg
