"""The main job from end to end on a tiny random model: killed at any moment it ends as an unbroken run does."""

import json
import os
import random
import shutil
import signal
import subprocess
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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, embedded_folder: Path) -> Path:
    """A Llama of two thin layers with random weights and the embedded model's tokenizer."""
    torch = pytest.importorskip("torch")
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    for file in embedded_folder.iterdir():
        if "token" in file.name or file.suffix == ".jinja":
            shutil.copy(file, folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=49152, tie_word_embeddings=True, **shape)).save_pretrained(folder)
    return folder


def arguments(model: Path, out: Path) -> list[str]:
    """One run with fixed settings."""
    pairs = [part for pair in SMALL.split() for part in ("--set", pair)]
    return command("run", STARTER, "--model", model, "--out", out, "--json", *pairs)


def claims(folder: Path) -> list[tuple[str, str, str]]:
    """Every claim with its state and the records that carry it."""
    ledger = Ledger.read(folder / "evidence")
    return [(r.labels["id"], r.id, json.dumps(ledger.payload(r), sort_keys=True)) for r in ledger.find("claim")]


@pytest.fixture(scope="module")
def unbroken(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a run that nothing disturbed, and how long it took."""
    home = tmp_path_factory.mktemp("unbroken")
    began = time.monotonic()
    ran = subprocess.run(
        arguments(tiny, home / "out"), env=variables(home), capture_output=True, text=True, timeout=600
    )
    assert ran.returncode in (1, 3), ran.stderr[-3000:]
    return home / "out", time.monotonic() - began


def test_an_unbroken_run_leaves_everything(unbroken: tuple[Path, float], tiny: Path) -> None:
    out, _ = unbroken
    kinds = {r.kind for r in Ledger.read(out / "evidence").records()}
    assert kinds - {"weights"} == EVERY_RECORD
    assert ("weights" in kinds) == (out / "model").exists()
    page = (out / "report.html").read_text()
    assert "</html>" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    verified = subprocess.run(["python3", out / "evidence" / "verify_gnomon.py", out / "evidence"], capture_output=True)
    assert verified.returncode == 0, verified.stdout


def test_five_kills_end_in_the_same_claims(unbroken: tuple[Path, float], tiny: Path, tmp_path: Path) -> None:
    whole, seconds = unbroken
    draw = random.Random(int(os.environ.get("PYTEST_XDIST_TESTRUNUID", "7")[:6], 16))
    for _ in range(5):
        process = subprocess.Popen(
            arguments(tiny, tmp_path / "out"),
            env=variables(tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(draw.uniform(0.35, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    ran = subprocess.run(
        arguments(tiny, tmp_path / "out"), env=variables(tmp_path), capture_output=True, text=True, timeout=600
    )
    assert ran.returncode in (1, 3), ran.stderr[-3000:]
    assert claims(tmp_path / "out") == claims(whole)
