"""Checkpoints as models, and how far they are from the start."""

from gnomon.cli import aligning, checkpoints, stages
from gnomon.models.load import load as load_model
from tests.cli.conftest import Begin


def test_a_checkpoint_differs_and_the_start_comes_back(begin: Begin) -> None:
    run = begin()
    start = checkpoints.local(run)
    before = {name: weight.clone() for name, weight in start.model.state_dict().items()}
    _, state = aligning.trained(run)
    assert [c.step for c in state.checkpoints] == [2, 4]
    with checkpoints.at(run, state.checkpoints[-1]) as model:
        assert model.identity["weights"] != start.identity["weights"]
        inside = {name.replace(".base_layer", ""): w for name, w in model.model.state_dict().items()}
        assert any(not before[name].equal(inside[name]) for name in before)
        inside = {name: weight.clone() for name, weight in inside.items()}
    after = start.model.state_dict()
    assert after.keys() == before.keys()
    assert all(before[name].equal(after[name]) for name in before)

    record = checkpoints.released(run, state.checkpoints[-1], run.ledger.find("training")[0])
    written = load_model(str(run.folder / "model"), cache=run.folder, dtype="float32")
    for name, weight in written.model.state_dict().items():
        assert weight.allclose(inside[name], atol=1e-6), name
    assert run.ledger.payload(record)["step"] == 4


def test_divergence_is_measured_on_the_checkpoints_own_replies(begin: Begin) -> None:
    run = begin()
    _, state = aligning.trained(run)
    for checkpoint in state.checkpoints:
        with checkpoints.at(run, checkpoint) as model:
            scores = stages.measured(
                run, model=model, subject=f"step-{checkpoint.step}", split="select", kinds=("probe",), title=""
            )
        record = checkpoints.diverged(run, checkpoint, run.ledger.get(scores.parents[0]))
        rows = run.ledger.payload(record)["rows"]
        assert len(rows) == 4
        assert all(row["tokens"] > 0 for row in rows)
        assert all(len(row["features"]) == checkpoints.FEATURES for row in rows)
    assert any(row["kl"] != 0 for row in rows), "four steps at a high rate move the model away from its start"


def test_the_start_is_read_too_and_has_moved_nowhere(begin: Begin) -> None:
    run = begin()
    scores = stages.measured(run, model=run.model, subject="before", split="select", kinds=("probe",), title="")
    asked = run.ledger.get(scores.parents[0])
    rows = run.ledger.payload(checkpoints.diverged(run, None, asked))["rows"]
    assert [row["case"] for row in rows] == [row["case"] for row in run.ledger.payload(asked)["rows"]]
    assert {row["kl"] for row in rows} == {0.0}
    # A random model of 49152 words is nearly uniform at any temperature: its entropy is close to log 49152.
    assert all(abs(row["entropy"] - 10.8) < 0.5 for row in rows)
    assert len({tuple(row["features"]) for row in rows}) > 1
