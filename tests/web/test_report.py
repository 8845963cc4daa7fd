"""The page: well-formed, self-contained, escaped, and telling each kind of run apart."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from gnomon.core.errors import StorageError
from gnomon.web.report import claims_of, headline, render
from tests.demo_ledger import CODE, NORMS, build

VOID = {"meta", "link", "br", "img", "hr", "input"}
KINDS = ("full", "endpoint", "worst", "bare")


class Page(HTMLParser):
    """Collects tags, checks nesting, and keeps the text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.links, self.text, self.headings = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.tags.append((tag, named))
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named[k] for k in ("href", "src") if k in named]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="session")
def pages(runs):
    return {kind: render(runs[kind].folder) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_well_formed_and_without_network_or_script(pages, kind):
    page = Page(pages[kind])
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    tags = {t for t, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed", "form"}
    assert not [a for _, named in page.tags for a in named if a.startswith("on")]
    for link in page.links:
        assert link.startswith("#") or link == "data:,", link
        if link.startswith("#"):
            assert link[1:] in page.ids, link
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", pages[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_accessible(pages, kind):
    page = Page(pages[kind])
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    for tag, named in page.tags:
        if tag == "svg":
            assert named.get("aria-hidden") == "true" or (named["role"] == "img" and named["aria-label"])
        if tag == "th":
            assert named.get("scope") in ("col", "row")
    tables = pages[kind].count("<table")
    assert pages[kind].count("<caption") == tables
    html = next(named for tag, named in page.tags if tag == "html")
    assert html["lang"] == "en"
    # Every badge says its state in words beside its colour.
    badges = re.findall(r'<span class="badge ([a-z-]+)"><i aria-hidden="true">(.)</i>([^<]+)</span>', pages[kind])
    assert len(badges) == pages[kind].count('class="badge')
    assert badges


def test_model_output_is_escaped_and_the_span_is_marked(pages):
    text = pages["full"]
    assert "<script>" not in text
    assert "&lt;script&gt;alert(" in text
    assert f"<mark>{CODE}</mark>" in text


def test_hostile_names_are_escaped_everywhere(tmp_path):
    """Labels, attack names, reasons and sentences come from elsewhere, too."""
    ledger = build(tmp_path / "l", kind="endpoint")
    evil = '"><img src=x onerror=alert(1)>'
    goal = {"goal": evil, "norm": "staff-code", "family": evil, "tries": 1, "broke": 1, "note": evil,
            "transcript": {"messages": [{"role": "assistant", "content": evil}], "expect": {}}}  # fmt: skip
    ledger.append(
        kind="attack", labels={"subject": "before", evil: evil}, payload={"attack": evil, "budget": 1, "rows": [goal]}
    )
    estimate = {"value": 0.1, "low": 0, "high": 0.2, "n": 3, "unit": evil, "method": evil, "confidence": 0.95}
    claim = {"id": f"norm/{evil}/after", "sentence": evil, "state": "satisfied", "target": evil}
    claim |= {"records": [], "estimate": estimate}
    change = claim | {"id": "norm/" + evil + "/change"}
    for c in (claim, change):
        ledger.append(kind="claim", labels={"id": c["id"]}, payload=c)
    ledger.close()
    page = Page(render(tmp_path / "l"))
    assert not [1 for tag, _ in page.tags if tag == "img"]
    assert evil in "".join(page.text)


def test_every_claim_and_record_is_on_the_page(pages, runs):
    for kind in KINDS:
        text = "".join(Page(pages[kind]).text)
        for shown in claims_of(runs[kind]):
            assert shown.claim.sentence in text
        for record in runs[kind].records():
            assert f'id="record-{record.id[:12]}"' in pages[kind]


def test_a_claims_chain_reaches_the_charter(runs):
    shown = {s.claim.id: s for s in claims_of(runs["full"])}
    kinds = [r.kind for r in shown["norm/staff-code/after"].chain]
    assert kinds[0] == "charter"
    assert {"charter", "model", "transcripts", "scores", "weights"} == set(kinds)


def test_headlines_tell_runs_apart(pages):
    found = {k: re.search(r"<h1>(.+?)</h1>", pages[k]).group(1) for k in KINDS}
    assert found == {
        "full": "Not kept: no-human-claim",
        "endpoint": "As it stands, the model breaks staff-code, refund-cap, no-human-claim and safety-cutoff",
        "worst": "Nothing may be released: no point of optimisation keeps every norm",
        "bare": "Nothing has been claimed yet",
    }
    assert headline([], 3) == "Nothing has been claimed yet"


def test_untrained_and_inadmissible_runs_say_so(pages):
    assert "nothing was trained" in pages["endpoint"]
    assert "No curve was measured" in pages["endpoint"]
    assert "Nothing in the records speaks to" in pages["endpoint"]
    assert "No point is admissible: vetoed by" in pages["worst"]
    assert "stop: step" not in pages["worst"]
    assert "stop: step-60" in pages["full"]


def test_every_plot_is_there(pages):
    labels = re.findall(r'role="img" aria-label="([^"]+)"', pages["full"])
    for start in ("Share of probes that broke", "Breaches of norms:", "Harmless lookalikes:", "Preferences:", "gold",
                  "Breaches of staff-code against distance", "Share of attack trials", "Training loss",
                  "gold, proxy, breaches of norms against distance"):  # fmt: skip
        assert any(label.startswith(start) for label in labels), start
    assert sum(label.startswith("Breaches of") and "against distance" in label for label in labels) == 2 * len(NORMS)


def test_same_ledger_same_page(pages, runs):
    assert render(runs["full"].folder) == pages["full"]


def test_evidence_beside_the_report_is_found(tmp_path):
    build(tmp_path / "evidence", kind="bare").close()
    assert "Nothing has been claimed yet" in render(tmp_path)


def test_no_ledger_is_an_error(tmp_path):
    with pytest.raises(StorageError):
        render(tmp_path)


def test_the_report_needs_no_numpy():
    code = "import sys; sys.modules['numpy'] = None; import gnomon.web.report"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_evidence_of_an_older_form_is_still_drawn(tmp_path):
    """A `limit` record from before certificates had fits, findings and prices."""
    ledger = build(tmp_path / "l", kind="full")
    payload = ledger.payload(ledger.find("limit")[-1])
    old = ("name", "points", "stop", "reason", "admissible", "vetoes")
    optimisers = [{k: o[k] for k in old} for o in payload["optimisers"]]
    kept = {k: payload[k] for k in ("stop", "reason", "admissible", "vetoes", "lines", "set")}
    ledger.append(kind="limit", payload=kept | {"optimisers": optimisers})
    ledger.close()
    text = render(tmp_path / "l")
    Page(text)
    assert "stop: step-60" in text
    assert "Beyond the curves" not in text
