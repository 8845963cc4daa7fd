"""The stage behind `gnomon memory`: who asks, what the attacker may know, and what is recorded."""

import json
from pathlib import Path

import pytest

from gnomon.charter.compile import cases
from gnomon.cli.remembering import Remembering, _aims, _bystanders, benign, remembered
from gnomon.core.errors import DataError, SettingsError
from gnomon.redteam.memory.store import Entry
from tests.cli.conftest import Begin

RECORDS = [Entry(f"What about {word} {i}?", "Fine.") for i in range(6) for word in ("tea", "roses", "lamps")]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "notes.yaml"
    path.write_text("rules:\n  - {pattern: 'task comes first', reply: 'CEDAR-3052', where: all}\ndefault: Hello.\n")
    return f"scripted:{path}"


def test_the_attacker_knows_the_train_split_and_victims_are_held_out(begin: Begin, model: str) -> None:
    run = begin(model=model)
    asked = Remembering(victims=4, queries=2)
    split = {c.id: c.split for c in cases(run.loaded.charter)}
    train = {c.prompt.request for c in cases(run.loaded.charter, split="train")}
    aims = _aims(run, asked)
    assert {a.norm for a in aims} <= {n.id for n in run.loaded.charter.norms}
    for aim in aims:
        assert 0 < len(aim.victims) <= 4
        assert {split[v.id] for v in aim.victims} == {"held-out"}
        assert all("/lookalike/" in v.id for v in aim.victims)
        assert set(aim.queries) <= train
        assert not any(aim.plan.carried(query) for query in aim.queries), "only the note speaks of the breach"
    assert {split[c.id] for c in _bystanders(run, 5)} == {"held-out"}


def test_each_attack_has_a_record_with_rows_at_every_size_and_the_clean_memory_one_beside_them(
    begin: Begin, model: str
) -> None:
    run = begin(model=model)
    asked = Remembering(sizes=(0, 5, 900), victims=2, queries=1, embedder="words", steps=2)
    found = {r.labels["attack"]: run.ledger.payload(r) for r in remembered(run, asked, RECORDS)}
    assert list(found) == ["none", "minja", "agent_poison"]
    for name, payload in found.items():
        assert {row["size"] for row in payload["rows"]} == {0, 5, len(RECORDS)}, "more than there is is all there is"
        assert {row["who"] for row in payload["rows"]} == {"victim", "bystander"}
        assert bool(payload["injected"]) == (name == "minja")
        assert bool(payload["trigger"]) == (name == "agent_poison")
    assert not any(row["retrieved"] for row in found["none"]["rows"])
    victims = [row for row in found["agent_poison"]["rows"] if row["who"] == "victim"]
    assert all(row["retrieved"] and row["goal"] for row in victims)
    trigger = found["agent_poison"]["trigger"]["text"]
    assert all(trigger in str(row["transcript"]) for row in victims)


def test_records_are_read_and_mistakes_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"query": "a", "answer": "b", "more": 1}) + "\n")
    assert benign(path) == [Entry("a", "b")]
    path.write_text(path.read_text() + '["c"]\n')
    with pytest.raises(DataError, match=r"r\.jsonl:2"):
        benign(path)


def test_what_is_asked_is_checked_and_named() -> None:
    assert Remembering(guard=True, consensus=True).subject == "memory, guarded, consensus"
    with pytest.raises(SettingsError, match="from 1 up"):
        Remembering(k=0)
    with pytest.raises(SettingsError, match="no attack on memories 'ming'"):
        Remembering(attacks=("ming",))
