"""Imports point downward only, engines never meet, and the guard's floor stays free of torch and numpy."""

from pathlib import Path

import pytest

from .tree import FILES, MODULES, imports, module, name, reached, room

FLOOR = {
    "core": 0, "charter": 0,
    "models": 1, "scoring": 1, "ledger": 1, "executor": 1,
    "training": 2, "limits": 2, "redteam": 2, "evaluation": 2, "interp": 2, "guard": 2, "oversight": 2, "values": 2,
    "assurance": 3,
    "web": 4, "cli": 4, "__main__": 5,
}  # fmt: skip
# On one floor: who may read whom. Everything else on a floor keeps to itself.
BESIDE = {("charter", "core"), ("cli", "web")}
LIGHT = ("core", "charter", "scoring", "ledger", "executor", "guard", "redteam")
HEAVY = {"torch", "transformers", "numpy", "sqlalchemy", "peft", "accelerate", "safetensors", "tokenizers", "scipy"}
EXCEPT = {"gnomon.core.stats": {"numpy"}, "gnomon.ledger.index": {"sqlalchemy"}}
EXCEPT |= {m: {"numpy"} for m in MODULES if m.startswith("gnomon.core.statistics.")}
# What is measured on weights needs them; making canaries does not.
PLANTED = "gnomon.redteam.extraction.canaries"
EXCEPT |= {m: {"numpy"} for m in MODULES if m.startswith("gnomon.redteam.extraction.") and m != PLANTED}


def allowed(source: str, target: str) -> bool:
    if source == target or not target:
        return True
    return (source, target) in BESIDE or FLOOR[target] < FLOOR[source]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_downward(path: Path) -> None:
    here = room(module(path))
    if not here:
        return
    wrong = {target for target in imports(path) if target.split(".")[0] == "gnomon" and not allowed(here, room(target))}
    assert not wrong, f"{name(path)} (floor {FLOOR[here]}) imports {wrong}: move what both need down a floor"


def test_every_room_has_a_floor() -> None:
    assert {room(m) for m in MODULES} - {""} <= FLOOR.keys()


@pytest.mark.parametrize("dotted", [m for m in MODULES if room(m) in LIGHT])
def test_light_rooms_import_nothing_heavy(dotted: str) -> None:
    heavy = (reached(dotted) & HEAVY) - EXCEPT.get(dotted, set())
    assert not heavy, f"{dotted} imports {heavy} when it is imported"


def test_nothing_light_imports_an_exception() -> None:
    for dotted in MODULES:
        if room(dotted) in LIGHT and dotted not in EXCEPT:
            assert not reached(dotted) & EXCEPT.keys(), dotted


def test_this_test_can_fail() -> None:
    assert not allowed("guard", "redteam")
    assert not allowed("core", "charter")
    assert not allowed("scoring", "ledger")
    assert not allowed("assurance", "web")
    assert allowed("cli", "guard")
    assert "numpy" in reached("gnomon.core.stats")
