"""Every method trains by a charter, in the same way."""

import json
import math
from pathlib import Path

import pytest

from gnomon.cli import aligning
from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from tests.cli.conftest import Begin

NAMES = plugin.names("loss")
# A random model earns the same for everything, so that DAPO would look for other prompts in vain.
LOOP = ["loop.prompts=4", "loop.group=2", "loop.dynamic_sampling=0"]


def few(name: str) -> list[str]:
    """Settings under which a method does little."""
    loss = plugin.load("loss", name)
    return [f"method={name}", *(LOOP if loss.READS in aligning.SAMPLED else [])]


@pytest.mark.parametrize("name", [n for n in NAMES if not aligning.makes_judge(n)])
def test_every_method_trains_and_keeps_its_checkpoints(begin: Begin, name: str) -> None:
    run = begin(*few(name))
    record, state = aligning.trained(run)
    assert state.checkpoints[-1].step == 4
    assert len(state.log) == 4
    assert all(math.isfinite(row["loss"]) for row in state.log)
    payload = run.ledger.payload(record)
    assert payload["method"] == name
    assert payload["settings"]["loss"] == json.loads(json.dumps(payload["settings"]["loss"]))


@pytest.mark.parametrize("name", [n for n in NAMES if aligning.makes_judge(n)])
def test_a_reward_model_is_written_and_judges(begin: Begin, name: str) -> None:
    run = begin(f"method={name}")
    report = aligning.judge_trained(run)
    assert (run.folder / "reward_model" / "reward.json").exists()
    assert (run.folder / "calibration.svg").read_text().startswith("<?xml")
    assert json.dumps(report)
    with pytest.raises(SettingsError, match="makes a reward model"):
        aligning.trained(run)


def test_rows_of_a_file_take_the_place_of_the_charters_pairs(begin: Begin, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"What is {i} plus {i}?", "chosen": f"It is {2 * i}.", "rejected": "I do not know."}
        for i in range(12)
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = begin("method=ipo", f"data={file}")
    record, state = aligning.trained(run)
    assert run.ledger.payload(record)["examples"] == 12
    assert len(state.log) == 4


def test_what_does_not_go_together_is_said(begin: Begin) -> None:
    with pytest.raises(SettingsError, match="own samples"):
        aligning.trained(begin("method=rloo", "data=x.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_method_trains_the_embedded_model(begin: Begin, embedded_folder: Path, name: str) -> None:
    run = begin(*few(name), "learning_rate=5e-4", model=str(embedded_folder), dtype=None)
    if aligning.makes_judge(name):
        assert aligning.judge_trained(run)
    else:
        _, state = aligning.trained(run)
        assert all(math.isfinite(row["loss"]) for row in state.log)
