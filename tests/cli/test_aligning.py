"""Checkpoints as models, and how far they are from the start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.charter.load import load
from gnomon.cli import aligning, stages
from gnomon.cli.settings import RunSettings
from gnomon.cli.stages import Run
from gnomon.core.protocols import Quiet
from gnomon.ledger.store import Ledger
from gnomon.models.load import load as load_model
from tests.cli.conftest import STARTER


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> Iterator[Run]:
    settings = RunSettings(
        cases_per_target=4, steps=4, pairs_per_step=4, checkpoint_every=2, max_new_tokens=8, learning_rate=1e-2
    )
    with Ledger.open(tmp_path / "evidence", key=tmp_path / "key") as ledger:
        made = Run(
            folder=tmp_path,
            loaded=load(STARTER),
            model=load_model(str(tiny), cache=tmp_path, dtype="float32"),
            settings=settings,
            ledger=ledger,
            stage=lambda title: Quiet(),
        )
        stages.opened(made)
        yield made


def test_a_checkpoint_differs_and_the_start_comes_back(run: Run) -> None:
    start = aligning.local(run)
    before = {name: weight.clone() for name, weight in start.model.state_dict().items()}
    _, state = aligning.trained(run, aligning.paired(run))
    assert [c.step for c in state.checkpoints] == [2, 4]
    with aligning.at(run, state.checkpoints[-1]) as model:
        assert model.identity["weights"] != start.identity["weights"]
        inside = {name.replace(".base_layer", ""): w for name, w in model.model.state_dict().items()}
        assert any(not before[name].equal(inside[name]) for name in before)
        inside = {name: weight.clone() for name, weight in inside.items()}
    after = start.model.state_dict()
    assert after.keys() == before.keys()
    assert all(before[name].equal(after[name]) for name in before)

    record = aligning.released(run, state.checkpoints[-1], run.ledger.find("training")[0])
    written = load_model(str(run.folder / "model"), cache=run.folder, dtype="float32")
    for name, weight in written.model.state_dict().items():
        assert weight.allclose(inside[name], atol=1e-6), name
    assert run.ledger.payload(record)["step"] == 4


def test_divergence_is_measured_on_the_checkpoints_own_replies(run: Run) -> None:
    _, state = aligning.trained(run, aligning.paired(run))
    for checkpoint in state.checkpoints:
        with aligning.at(run, checkpoint) as model:
            scores = stages.measured(
                run, model=model, subject=f"step-{checkpoint.step}", split="select", kinds=("probe",), title=""
            )
        record = aligning.diverged(run, checkpoint, run.ledger.get(scores.parents[0]))
        rows = run.ledger.payload(record)["rows"]
        assert len(rows) == 4
        assert all(row["tokens"] > 0 for row in rows)
    assert any(row["kl"] != 0 for row in rows), "four steps at a high rate move the model away from its start"
