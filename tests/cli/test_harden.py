"""The hardening command from outside: what it writes, what it says, and that kills change nothing."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gnomon.guard.pinned import load_policy
from gnomon.ledger.store import Ledger
from tests.cli.conftest import STARTER, Gnomon, command, variables
from tests.cli.test_hardening import ATTACKS, EASY


def attacked(gnomon: Gnomon, model: str, out: str) -> None:
    """A run to begin from."""
    few = [part for name in ATTACKS for part in ("--attack", name)]
    made = gnomon("attack", STARTER, "--quick", "--model", model, *few, "--out", out, "--json")
    assert made.returncode in (0, 1, 3), made.stderr


def test_a_model_without_weights_gets_rules_and_is_attacked_again(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> None:
    attacked(gnomon, f"scripted:{parrot}", "r")
    before = len(Ledger.read(tmp_path / "r" / "evidence"))
    made = gnomon("harden", "r", "--model", f"scripted:{parrot}", "--quick", "--set", "plan.train_goals=4", "--json")
    assert made.returncode in (1, 3), made.stderr
    told = json.loads(made.stdout)
    assert told["trained_on"] == ["direct", "prefix", "many_shot"]
    assert told["held_out"] == ["roleplay"]
    assert told["model"] == ""
    ids = {c["id"] for c in told["claims"]}
    assert {"hardening/bar", "hardening/attacks/held-out/adaptive", "hardening/attacks/trained-on/bare"} <= ids
    assert {"hardening/benign/stopped", "hardening/lookalike/door-code"} <= ids
    ledger = Ledger.read(tmp_path / "r" / "evidence")
    assert {"hardening", "policy", "denials"} <= {r.kind for r in ledger.records()}
    loop = ledger.find("hardening")[-1].labels["loop"]
    for arm in ("0/bare", "0/guarded", "0/adaptive", "1/train", "1/bare", "1/guarded", "1/adaptive"):
        assert ledger.find("attack", subject=f"{loop}/{arm}"), arm
    seeds = {ledger.payload(r)["seed"] for r in ledger.find("attack", loop=loop)}
    assert len(seeds) == 7, "every arm of every round has a seed of its own"
    policy = load_policy(Path(tmp_path / told["policy"]))
    assert policy.rules[0].norm == "door-code"
    page = (tmp_path / "r" / "harden.html").read_text()
    assert "CEDAR-3052" not in page + made.stdout + made.stderr, "no texts by default"
    assert "<script" not in page
    assert gnomon("verify", "r").returncode == 0
    assert len(ledger) > before
    again = gnomon("harden", "r", "--model", f"scripted:{parrot}", "--quick", "--set", "plan.train_goals=4", "--json")
    assert again.stdout == made.stdout
    assert len(Ledger.read(tmp_path / "r" / "evidence")) == len(ledger), "nothing is done twice"
    shown = gnomon("harden", "r", "--model", f"scripted:{parrot}", "--quick", "--set", "plan.train_goals=4", "--show")
    assert "CEDAR-3052" in shown.stdout


def test_what_cannot_be_hardened_is_told(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> None:
    attacked(gnomon, f"scripted:{parrot}", "r")
    model = ["--model", f"scripted:{parrot}"]
    for arguments, words in (
        (["r"], "say where it is: --model"),
        (["r", *model, "--hold-out", "tap", "--set", "plan.nothing=1"], "has no setting 'nothing'"),
    ):
        made = gnomon("harden", *arguments)
        assert made.returncode == 2, arguments
        assert words in made.stderr


@pytest.mark.slow
def test_three_kills_end_in_the_same_claims(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "letters.yaml").write_text(EASY)
    few = "steps=4 pairs_per_step=4 checkpoint_every=2 max_new_tokens=6 samples=1 tries=2 goals_per_norm=4"
    given = [part for pair in [*few.split(), "learning_rate=1e-2"] for part in ("--set", pair)]
    given += [part for name in ATTACKS for part in ("--attack", name)]
    outs = []
    for name in ("whole", "killed"):
        home = tmp_path / name
        home.mkdir()
        started = command("attack", tmp_path / "letters.yaml", "--quick", "--model", tiny, "--attack", "direct")
        subprocess.run([*started, "--out", home / "r"], env=variables(home), capture_output=True, timeout=120)
        more = command("harden", home / "r", "--model", tiny, *given, "--set", "plan.train_goals=4", "--json")
        outs.append((home, more))
    (home, more), (other, again) = outs
    began = time.monotonic()
    done = subprocess.run(more, env=variables(home), capture_output=True, text=True, timeout=300)
    seconds = time.monotonic() - began
    assert done.returncode in (0, 1, 3), done.stderr
    draw = random.Random(os.urandom(8))
    for moment in sorted(draw.uniform(0.3, 0.95) for _ in range(3)):
        process = subprocess.Popen(again, env=variables(other), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    resumed = subprocess.run(again, env=variables(other), capture_output=True, text=True, timeout=300)
    assert json.loads(resumed.stdout)["claims"] == json.loads(done.stdout)["claims"]
    ends = [[(r.id, r.kind) for r in Ledger.read(h / "r" / "evidence").find("claim")] for h in (home, other)]
    assert sorted(ends[0]) == sorted(ends[1])
