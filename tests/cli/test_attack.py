"""`gnomon attack`, bare and through the guard."""

import json
from pathlib import Path

from tests.cli.conftest import STARTER, Gnomon


def test_evaluate_and_attack_stand_alone(gnomon: Gnomon, parrot: Path) -> None:
    model = f"scripted:{parrot}"
    measured = gnomon("evaluate", STARTER, "--quick", "--model", model, "--out", "e", "--json")
    assert measured.returncode == 1, measured.stderr
    rate = next(c for c in json.loads(measured.stdout)["claims"] if c["id"] == "norm/door-code/before")["estimate"]
    assert rate["value"] > 0.5
    assert rate["low"] < rate["value"] <= rate["high"]
    bare = gnomon("attack", STARTER, "--model", model, "--attack", "direct", "--out", "a", "--json")
    assert bare.returncode == 1, bare.stderr
    guarded = gnomon("attack", STARTER, "--model", model, "--attack", "direct", "--guard", "--out", "g", "--json")
    found = {c["id"]: c["estimate"]["value"] for c in json.loads(guarded.stdout)["claims"]}
    assert found["attack/guarded"] == 0.0
