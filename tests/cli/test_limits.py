"""`gnomon limits`: prints and draws what the records carry, takes a price sweep, and says what is missing."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gnomon.ledger.store import Ledger
from tests.cli.conftest import ROOT, Gnomon
from tests.demo_ledger import build

SWEEP = ROOT / "docs" / "experiments" / "price_invariance.json"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A simulated run's folder, in the folder that commands run in."""
    folder = tmp_path / "run"
    build(folder / "evidence", kind="full").close()
    return folder


def test_it_prints_and_draws(gnomon: Gnomon, run: Path) -> None:
    ran = gnomon("limits", run)
    assert ran.returncode == 0, ran.stderr
    for words in ("step-60 (stop)", "vetoed by", "Fit: No peak is named", "Room at the stop", "best-of-n",
                  "Warning: Gold fell by", "Price of a breach: Not measured", "Drawn: "):  # fmt: skip
        assert words in ran.stdout, words
    assert ET.parse(run / "limits.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file
    assert gnomon("verify", run).returncode == 0


def test_json_is_the_certificate_on_record(gnomon: Gnomon, run: Path) -> None:
    ran = gnomon("limits", run, "--json")
    ledger = Ledger.read(run / "evidence")
    assert json.loads(ran.stdout) == ledger.payload(ledger.find("limit")[-1])


def test_a_price_sweep_becomes_part_of_it(gnomon: Gnomon, run: Path) -> None:
    key = run / "evidence.key"
    ran = gnomon("limits", run, "--price", SWEEP, "--key", key)
    assert ran.returncode == 0, ran.stderr
    assert "Price of a breach, mask: Satisfied: 0 of 400000 acts under a mask broke the norm" in ran.stdout
    ledger = Ledger.read(run / "evidence")
    price, limit = ledger.find("price_invariance")[-1], ledger.find("limit")[-1]
    assert price.id in limit.parents
    assert [limit.id] == list(ledger.find("claim", id="limit")[-1].parents)
    assert gnomon("report", run).returncode == 0
    assert "0 of 400000 acts under a mask broke the norm" in (run / "report.html").read_text()
    assert gnomon("verify", run).returncode == 0


def test_conversations_become_a_horizon(gnomon: Gnomon, run: Path) -> None:
    said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x marks it"}] * 2
    (run.parent / "deployed.jsonl").write_text(json.dumps({"id": "a", "messages": said}) + "\n")
    ran = gnomon("limits", run, "--turns", "deployed.jsonl", "--key", run / "evidence.key")
    assert ran.returncode == 0, ran.stderr
    assert "Long conversations: deployed: staff-code is unbroken after 1 turn in 0.0 %" in ran.stdout
    ledger = Ledger.read(run / "evidence")
    (turns,) = ledger.find("turns", subject="deployed")
    assert turns.id in ledger.find("limit")[-1].parents
    assert gnomon("verify", run).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "sweep.json:1: not JSON"),
        ("{}", "sweep.json: Object missing required field `setting`"),
        ('{"setting": {"p0": 0.01, "beta": 0.5}, "points": []}', "needs arms named 'penalty L' and 'mask'"),
    ],
)
def test_a_broken_sweep_is_named_and_nothing_is_recorded(gnomon: Gnomon, run: Path, text: str, message: str) -> None:
    (run.parent / "sweep.json").write_text(text)
    ran = gnomon("limits", run, "--price", "sweep.json", "--key", run / "evidence.key")
    assert (ran.returncode, message in ran.stderr) == (2, True), ran.stderr
    assert not Ledger.read(run / "evidence").find("price_invariance")


def test_what_is_missing_is_said(gnomon: Gnomon, tmp_path: Path) -> None:
    assert "there is no such folder" in gnomon("limits", "nowhere").stderr
    build(tmp_path / "bare", kind="bare").close()
    ran = gnomon("limits", "bare")
    assert ran.returncode == 2
    assert "no record says anything about a limit: no checkpoints" in ran.stderr
    Ledger.open(tmp_path / "empty").close()
    assert "no charter is on record" in gnomon("limits", "empty").stderr
