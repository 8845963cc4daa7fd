"""`gnomon leaks`: three measurements of one model, recorded without a secret, gone on with after a kill."""

import json
from pathlib import Path

import pytest

from gnomon.ledger.store import Ledger

from .conftest import Gnomon


@pytest.fixture
def planted(gnomon: Gnomon, tmp_path: Path) -> Path:
    """Canaries and controls of three digits."""
    made = gnomon("canaries", "--out", "c", "--count", 4, "--repeats", "1,2", "--controls", 3, "--length", 3)
    assert made.returncode == 0, made.stderr
    return tmp_path / "c" / "canaries.jsonl"


def texts(path: Path, name: str, count: int) -> Path:
    rows = [{"text": f"The {name} number {i} went to room {7 * i} at {i} o'clock."} for i in range(count)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_every_part_is_measured_recorded_and_not_asked_twice(
    gnomon: Gnomon, tiny: Path, tmp_path: Path, planted: Path
) -> None:
    members, others = texts(tmp_path / "m.jsonl", "cat", 12), texts(tmp_path / "n.jsonl", "dog", 10)
    parts = ["--canaries", planted, "--sample", 16, "--members", members, "--nonmembers", others]
    parts += ["--corpus", members, "--samples", 8, "--run", 2, "--reference", tiny, "--neighbours", 1]
    done = gnomon("leaks", tiny, *parts, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(g["repeats"], g["canaries"]) for g in found["canaries"]["groups"]] == [(0, 3), (1, 2), (2, 2)]
    told = {s["score"]: s["area"] for s in found["membership"]["scores"]}
    assert set(told) == {"loss", "zlib", "min-k", "min-k++", "neighbours", "reference"}
    assert told["reference"]["value"] == 0.5, "a model beside itself knows nothing"
    assert found["corpus"]["verbatim"]["samples"] == 8
    folder = tmp_path / found["folder"]
    ledger = Ledger.read(folder / "evidence")
    assert [r.labels.get("part") for r in ledger.find("leaks")] == ["canaries", "membership", "corpus"]
    secrets = [json.loads(line)["secret"] for line in planted.read_text().splitlines()]
    kept = "".join(str(ledger.payload(r)["groups"]) for r in ledger.find("leaks", part="canaries"))
    assert not any(f"is {s}" in kept + done.stdout + done.stderr for s in secrets)
    shards = {p: p.stat().st_mtime_ns for p in (folder / "work" / "shards").rglob("*") if p.is_file()}
    again = gnomon("leaks", tiny, *parts, "--json")
    assert json.loads(again.stdout) == found
    assert {p: p.stat().st_mtime_ns for p in shards} == shards
    assert len(Ledger.read(folder / "evidence")) == len(ledger)


def test_a_model_that_only_answers_is_asked_and_its_secrets_need_show(
    gnomon: Gnomon, tmp_path: Path, planted: Path
) -> None:
    canary = json.loads(planted.read_text().splitlines()[3])
    reply = canary["prefix"] + canary["secret"] + canary["suffix"]
    (tmp_path / "says.yaml").write_text(f"default: {json.dumps(reply)}\n", encoding="utf-8")
    done = gnomon("leaks", "scripted:says.yaml", "--canaries", planted)
    assert done.returncode == 0, done.stderr
    assert "50% [" in done.stdout
    assert reply not in done.stdout + done.stderr
    assert reply in gnomon("leaks", "scripted:says.yaml", "--canaries", planted, "--show").stdout
    text = texts(tmp_path / "m.jsonl", "cat", 3)
    refused = gnomon("leaks", "scripted:says.yaml", "--members", text, "--nonmembers", text)
    assert refused.returncode == 2
    assert "gives replies only" in refused.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "write --canaries FILE"),
        (["--members", "m.jsonl"], "name both"),
        (["--canaries", "none.jsonl"], "none.jsonl"),
    ],
)
def test_what_is_missing_is_said(gnomon: Gnomon, more: list[str], said: str) -> None:
    done = gnomon("leaks", "embedded", *more)
    assert done.returncode == 2
    assert said in done.stderr
