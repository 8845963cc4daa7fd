"""`gnomon attacker`, in this process: the program as installed takes seconds to start with torch; and killed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gnomon.cli.app import app
from gnomon.cli.attacker import _code
from gnomon.core.errors import ModelError
from gnomon.core.types import Json
from gnomon.ledger.store import Ledger
from tests.cli.conftest import STARTER, killed_and_whole

FEW = (
    "cases_per_target=4 steps=2 pairs_per_step=4 learn.copies=3 learn.rounds=1 learn.max_new_tokens=8 goals_per_norm=3"
)
Run = Callable[..., Result]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNOMON_KEY", str(tmp_path / "signing.key"))
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_an_attacker_is_trained_tested_and_named(ran: Run, parrot: Path, tiny: Path) -> None:
    few = [part for pair in FEW.split() for part in ("--set", pair)]
    asked = ["attacker", STARTER, "--model", f"scripted:{parrot}", "--set", f"attacker={tiny}", *few, "--out", "a"]
    done = ran(*asked, "--json")
    assert done.exit_code in (0, 1, 3), done.output
    told = json.loads(done.stdout)
    assert told["rounds"][0]["kept"] > 0
    assert told["held-out"]["arms"].keys() == {"untrained", "trained"}
    assert Path(told["attacker"], "model.safetensors").exists()
    again = ran(*asked)
    assert again.exit_code == done.exit_code, again.output
    assert "Messages on held-out goals" in again.output
    assert "CEDAR-3052" not in again.output, "texts stay behind --show"
    assert "CEDAR-3052" in ran(*asked, "--show").output
    ledger = Ledger.read(Path("a/evidence"))
    assert all(ledger.find(kind) for kind in ("attempts", "attacker", "attack", "attacker-test"))


def test_a_scripted_model_cannot_be_trained(ran: Run, parrot: Path) -> None:
    done = ran("attacker", STARTER, "--model", f"scripted:{parrot}", "--set", f"attacker=scripted:{parrot}")
    assert isinstance(done.exception, ModelError)
    assert "cannot be trained" in str(done.exception)


@pytest.mark.parametrize(("low", "high", "code"), [(0.1, 0.3, 0), (-0.3, -0.1, 1), (-0.1, 0.1, 3)])
def test_the_exit_code_says_whether_it_is_better(low: float, high: float, code: int) -> None:
    found: Json = {"a message, trained less untrained": {"difference": {"low": low, "high": high}}}
    assert _code(found) == code
    assert _code(None) == 3


@pytest.mark.slow
def test_two_kills_end_in_the_same_attacker(tmp_path: Path, parrot: Path, tiny: Path) -> None:
    few = [part for pair in FEW.split() for part in ("--set", pair)]
    asked = ["attacker", STARTER, "--model", f"scripted:{parrot}", "--set", f"attacker={tiny}", *few, "--json"]
    killed, whole = killed_and_whole(tmp_path, asked, kills=(1, 3))
    assert {**killed, "folder": "", "attacker": ""} == {**whole, "folder": "", "attacker": ""}
    assert (tmp_path / "k" / "attacker" / "model.safetensors").read_bytes() == (
        tmp_path / "w" / "attacker" / "model.safetensors"
    ).read_bytes()
