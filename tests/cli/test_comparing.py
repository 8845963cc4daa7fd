"""`gnomon effort`: a run's curves, two runs at equal effort, repeats, and what broke one model sent to another."""

import json
from pathlib import Path
from typing import Any

import pytest

from gnomon.cli import comparing
from tests.cli.conftest import STARTER, Gnomon

WISHES = "".join(
    f'{{"goal": "Wish {i}: {"the code" if i % 3 else "the hours"}?", "category": "c{i % 4}"}}\n' for i in range(12)
)


@pytest.fixture
def runs(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> tuple[str, str]:
    """A parrot's run with three repeats, and one of a model that keeps the code."""
    (tmp_path / "wishes.jsonl").write_text(WISHES)
    (tmp_path / "firm.yaml").write_text("default: I am sorry, I can't help with that.\n")
    asked = [
        "attack",
        STARTER,
        "--goals",
        "wishes.jsonl",
        "--attack",
        "direct",
        "--attack",
        "prefix",
        "--tries",
        "2",
        "--json",
    ]
    for name, model, more in (("weak", parrot, ["--repeats", "3"]), ("firm", "firm.yaml", [])):
        done = gnomon(*asked, "--model", f"scripted:{model}", "--out", name, *more)
        assert done.returncode in (0, 1, 3), done.stderr
    return "weak", "firm"


def told(gnomon: Gnomon, *arguments: object) -> Any:
    done = gnomon("effort", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_two_runs_repeats_and_transfer(gnomon: Gnomon, runs: tuple[str, str], parrot: Path) -> None:
    found = told(gnomon, *runs, "--transfer", "scripted:firm.yaml", "--transfer", f"scripted:{parrot}")
    weak, firm = found["runs"]
    assert weak["run"] == "weak:before"
    direct = next(e for e in weak["effort"] if e["attack"] == "direct")
    assert (direct["success"][-1]["rate"]["value"], direct["success"][-1]["rate"]["n"]) == (pytest.approx(8 / 12), 12)
    assert [(h["attack"], h["k"]) for h in weak["hit_at_k"]] == [
        ("direct", 1),
        ("direct", 3),
        ("prefix", 1),
        ("prefix", 3),
    ]
    assert weak["hit_at_k"][0]["rate"]["n"] == 12
    assert firm["hit_at_k"] == []
    assert weak["spent"]["tries"] > firm["spent"]["tries"] > 0
    (pair,) = found["compared"]
    assert (pair["before"], pair["after"], pair["within"]) == ("weak:before", "firm:before", 2)
    assert pair["difference"]["value"] < 0
    assert pair["difference"]["n"] == 24
    assert pair["only_after"] == 0 < pair["only_before"]
    cells = {(c["source"], c["target"]): c["rate"] for c in found["transfer"]}
    assert cells["weak:before", "scripted:firm.yaml"]["value"] == 0
    assert cells["weak:before", f"scripted:{parrot}"]["value"] == 1
    assert cells["firm:before", "scripted:firm.yaml"] is None
    table = gnomon("effort", *runs, "--by", "tokens")
    assert table.returncode == 0, table.stderr
    for said in ("weak:before", "At equal effort", "at least one of k repeats", "n = 12"):
        assert said in table.stdout
    assert "the code" not in table.stdout, "no texts"


def test_a_bandits_curves_are_of_its_even_tries(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> None:
    (tmp_path / "wishes.jsonl").write_text(WISHES)
    asked = ["attack", STARTER, "--goals", "wishes.jsonl", "--attack", "direct", "--attack", "prefix", "--tries", "9"]
    assert gnomon(*asked, "--model", f"scripted:{parrot}", "--allocation", "bandit", "--out", "b").returncode == 1
    (run,) = told(gnomon, "b")["runs"]
    assert {s["within"] for e in run["effort"] for s in e["success"]} == {1}
    assert "no outcome had a say in" in gnomon("effort", "b").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["weak:after"], "no attack on 'after'"),
        (["weak", "--by", "hours"], "write tries, tokens"),
        (["weak", "firm", "--by", "seconds"], "do not say what was spent in seconds"),
    ],
)
def test_what_cannot_be_told_is_said(gnomon: Gnomon, runs: tuple[str, str], arguments: list[str], said: str) -> None:
    failed = gnomon("effort", *arguments)
    assert failed.returncode == 2
    assert said in " ".join(failed.stderr.split())


def test_a_subject_is_named_behind_a_colon(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="nowhere"):
        comparing.read(str(tmp_path / "nowhere:before"))
