"""One static HTML page of a hardening loop: effort curves before and after, what held, what broke, what it cost.

It measures nothing: numbers come from records through `assurance.hardening`, sentences are claims. No texts of prompts
or replies are shown.
Fails: a ledger without a loop raises DataError; one that does not agree with its checkpoint raises IntegrityError.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gnomon.assurance import hardening
from gnomon.assurance.hardening import ARMS, Arm, Hardening, Round
from gnomon.assurance.hardening_claims import claims
from gnomon.assurance.verdict import interval
from gnomon.charter.schema import Charter
from gnomon.core.errors import DataError
from gnomon.ledger.layout import CHECKPOINT
from gnomon.ledger.store import Ledger
from gnomon.web import plots
from gnomon.web.figures import ends
from gnomon.web.report import VERDICTS, templates

HEADS: dict[Arm, str] = {"bare": "No guard", "guarded": "Guard", "adaptive": "Guard known"}
STATES = {"satisfied": 0, "not satisfied": 1}
NEWLY = 40
"""Trials that broke only afterwards, as many as are listed."""
GROUPS = (
    ("attacks", "Attacks, before and after"),
    ("probes", "Plain probes"),
    ("elsewhere", "Other norms"),
    ("lookalike", "Harmless lookalikes"),
    ("preference", "Preferences"),
    ("benign", "Benign users"),
)


def render(folder: Path, name: str = "") -> str:
    """The page of the ledger in `folder`, or in its subfolder `evidence`; of one loop, or the latest."""
    place = folder if (folder / CHECKPOINT).exists() or not (folder / "evidence").is_dir() else folder / "evidence"
    return templates().get_template("hardening.html").render(**page(Ledger.read(place), name))


def page(ledger: Ledger, name: str = "") -> dict[str, Any]:
    """Everything that the template shows."""
    loop = hardening.read(ledger, name)
    if loop is None or not loop.rounds:
        raise DataError(f"{ledger.folder}: no hardening is recorded; make one with: gnomon harden RUN")
    charter = Charter.model_validate(ledger.payload(ledger.find("charter")[-1])["charter"])
    found = claims(ledger, charter, loop.name)
    bar = next(c for c in found if c.id == "hardening/bar")
    last = loop.rounds[-1]
    return {
        "name": charter.name,
        "trained": loop.side(False),
        "held_out": loop.side(True),
        "tries": loop.tries,
        "learns": loop.learns,
        "name_of_loop": loop.name,
        "heads": HEADS,
        "when": ledger.entries()[-1].recorded_at[:10],
        "verdict": VERDICTS[STATES.get(bar.state, 3)],
        "bar": bar,
        "rounds": [_round(loop, one) for one in loop.rounds],
        "sides": [(side, _curves(loop, last, loop.side(side == "held out"))) for side in ("trained on", "held out")],
        "groups": [(words, [c for c in found if c.id.startswith(f"hardening/{prefix}/")]) for prefix, words in GROUPS],
        "held": [(HEADS[arm], *hardening.held(loop, last, arm)) for arm in ARMS],
        "newly": {HEADS[arm]: hardening.newly(loop, last, arm)[:NEWLY] for arm in ARMS},
        "rules": [(one.number, r) for one in loop.rounds for r in one.learned.get("rules", ())],
        "checkpoint": ledger.checkpoint(),
        "fingerprint": ledger.public.fingerprint,
        "made_from": len(ledger),
        "interval": interval,
    }


def _round(loop: Hardening, one: Round) -> dict[str, Any]:
    """A row of the table of rounds."""
    rates = {arm: hardening.at_bar(loop, one, arm) for arm in ARMS}
    return {"number": one.number, "rates": rates, "learned": one.learned, "model": one.model.get("name", "")}


def _curves(loop: Hardening, last: Round, attacks: Sequence[str]) -> list[dict[str, Any]]:
    """For each attack and way, the curve before and after."""
    return [
        {"attack": attack, "plots": [(HEADS[arm], _plot(loop, last, arm, attack)) for arm in ARMS]}
        for attack in attacks
    ]


def _plot(loop: Hardening, last: Round, arm: Arm, attack: str) -> Markup:
    both = [("before", "proxy", loop.rounds[0])] + ([("after", "gold", last)] if last.number else [])
    series = [(words, style, _marks(one, arm, attack, words)) for words, style, one in both]
    told = "; ".join(f"{words} {m[-1].y.value:.0%} within {m[-1].x:g}" for words, _, m in series if m)
    title = f"{attack}, {HEADS[arm]}: {told}"
    drawn = plots.effort([s for s in series if s[2]], most=loop.tries, title=title)
    return Markup(drawn)  # noqa: S704 - our own SVG, escaped there


def _marks(one: Round, arm: Arm, attack: str, words: str) -> list[plots.Mark]:
    found = [(s.within, ends(s.rate)) for s in hardening.curve(one, arm, attack)]
    return [plots.Mark(f"{words}, {within} tries", float(within), y, words == "before") for within, y in found if y]
