"""The main job from end to end on a tiny random model: killed at any moment it ends as an unbroken run does."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gnomon.ledger.store import Ledger
from tests.cli.conftest import STARTER, command, variables

SMALL = (
    "cases_per_target=4 samples=2 steps=4 pairs_per_step=4 checkpoint_every=2 best_of=4 best_of_cases=2 "
    "divergence_cases=4 goals_per_norm=2 tries=2 max_new_tokens=8"
)

EVERY_RECORD = {"charter", "settings", "model", "transcripts", "scores", "samples", "pairs", "training"} | {
    "divergence",
    "limit",
    "attack",
    "decisions",
    "claim",
}


def arguments(out: Path, *more: object) -> list[str]:
    """One run with its evidence in `out`."""
    return command("run", STARTER, "--out", out, "--json", *more)


def small(model: Path) -> list[object]:
    """Settings for a run of seconds."""
    return ["--model", model, *(part for pair in SMALL.split() for part in ("--set", pair))]


def claims(folder: Path) -> list[tuple[str, str, str]]:
    """Every claim with its state and the records that carry it."""
    ledger = Ledger.read(folder / "evidence")
    return [(r.labels["id"], r.id, json.dumps(ledger.payload(r), sort_keys=True)) for r in ledger.find("claim")]


def whole(home: Path, *more: object) -> tuple[Path, float]:
    """The folder of a run that nothing disturbed, and how long it took."""
    began = time.monotonic()
    ran = subprocess.run(
        arguments(home / "out", *more), env=variables(home), capture_output=True, text=True, timeout=1200
    )
    assert ran.returncode in (0, 1, 3), ran.stderr[-3000:]
    return home / "out", time.monotonic() - began


def broken(home: Path, seconds: float, *more: object) -> Path:
    """The folder of a run that was killed at five random moments and then left alone."""
    draw = random.Random(os.urandom(8))
    for moment in sorted(draw.uniform(0.1, 0.95) for _ in range(5)):
        process = subprocess.Popen(
            arguments(home / "out", *more),
            env=variables(home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moment * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return whole(home, *more)[0]


@pytest.fixture(scope="module")
def unbroken(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A whole run on the tiny model."""
    return whole(tmp_path_factory.mktemp("unbroken"), *small(tiny))


def test_an_unbroken_run_leaves_everything(unbroken: tuple[Path, float]) -> None:
    out, _ = unbroken
    kinds = {r.kind for r in Ledger.read(out / "evidence").records()}
    assert kinds - {"weights"} == EVERY_RECORD
    assert ("weights" in kinds) == (out / "model").exists()
    page = (out / "report.html").read_text()
    assert "</html>" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    verified = subprocess.run([sys.executable, out / "evidence" / "verify_gnomon.py", out / "evidence"])
    assert verified.returncode == 0


def test_five_kills_end_in_the_same_claims(unbroken: tuple[Path, float], tiny: Path, tmp_path: Path) -> None:
    out, seconds = unbroken
    assert claims(broken(tmp_path, seconds, *small(tiny))) == claims(out)


@pytest.mark.slow
def test_five_kills_on_the_embedded_model(embedded_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    out, seconds = whole(tmp_path / "a", "--quick")
    assert claims(broken(tmp_path / "b", seconds, "--quick")) == claims(out)
