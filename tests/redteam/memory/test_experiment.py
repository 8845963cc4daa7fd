"""The experiment's own parts, on invented data and with an embedder without weights."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gnomon.redteam.memory.store import Hashed, Kept

FILE = Path(__file__).resolve().parents[3] / "experiments" / "memory_injection.py"


@pytest.fixture(scope="module")
def experiment() -> Any:
    spec = importlib.util.spec_from_file_location("experiment_memory_injection", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "truthfulqa").mkdir()
    (folder / "halueval-general").mkdir()
    rows = [
        {"Category": topic, "Question": f"Is {topic} thing {i} {'old' if i % 2 else 'new'}?", "Best Answer": "No."}
        for topic in ("Law", "Health", "Weather")
        for i in range(20)
    ]
    (folder / "truthfulqa" / "truthfulqa_open.jsonl").write_text("\n".join(map(json.dumps, rows)))
    more = [{"user_query": f"Write {i} lines on tea number {i % 7}.", "chatgpt_response": "Tea."} for i in range(80)]
    (folder / "halueval-general" / "general_open.jsonl").write_text("\n".join(map(json.dumps, more)))
    return folder


@pytest.mark.parametrize("named", ["", "shared", "unique"])
def test_nobody_who_asks_is_a_record(experiment: Any, data: Path, named: str) -> None:
    world = experiment.World(data, ("Law", "Health"), named)
    records = {e.query.partition(": ")[2] if named else e.query for e in world.benign}
    asked = {q.partition(": ")[2] if named else q for _, q in world.victims}
    mine = {q.partition(": ")[2] if named else q for own in world.attack.values() for q in own}
    groups = [records, asked, mine, set(world.bystanders), set(world.optimised_on)]
    assert sum(map(len, groups)) == len(set().union(*groups)), "no question plays two parts"
    assert len(asked) == 10
    if named == "unique":
        assert not any(e.query.startswith(f"Account {experiment.NAMES[0]}:") for e in world.benign)
    few, many = world.drawn(10, 0), world.drawn(60, 0)
    assert many[:10] == few


def test_tables_hold_every_size_and_k_and_what_the_size_changes(experiment: Any, data: Path) -> None:
    world = experiment.World(data, ("Law", "Health"))
    embed = Kept(Hashed().fitted([e.query for e in world.benign]))
    sizes = (0, 10, 80)
    for attack, trigger in (("minja", None), ("agent_poison", "quartz velvet")):
        rows = list(experiment.retrieval(world, embed, attack, trigger, count=2, sizes=sizes, draws=2))
        found = experiment.table(rows)
        victims = [r for r in found["rates"] if r["who"] == "victim"]
        assert {(r["size"], r["k"]) for r in victims} == {(s, k) for s in sizes for k in experiment.KS}
        assert all(r["ASR-r"][0] == 1 for r in victims if r["size"] == 0)
        assert ("ISR by size" in found) == (attack == "minja")
        if trigger:
            assert all(r["ASR-r"][0] == 1 for r in victims)
            assert set(found["change of ASR-r from smallest to largest, by k"]) == {"1", "3", "5"}
