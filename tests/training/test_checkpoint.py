import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import TrainingError  # noqa: E402
from gnomon.models import adapters, heads  # noqa: E402
from gnomon.training import checkpoint  # noqa: E402
from gnomon.training.checkpoint import State  # noqa: E402
from gnomon.training.optimizer import Optimizer  # noqa: E402

SCRIPT = Path(__file__).with_name("killed_run.py")


@pytest.fixture(scope="module")
def run():
    """Runs a training in its own process; returns the exit code, minus the signal if it was killed."""
    with subprocess.Popen([sys.executable, str(SCRIPT)], stdin=-1, stdout=-1, text=True) as server:

        def one(folder, kill_at=0, weights="lora", seconds=0.0):
            folder.mkdir(exist_ok=True)
            print(folder, kill_at, weights, seconds, file=server.stdin, flush=True)
            return int(server.stdout.readline())

        yield one
        server.stdin.close()


def losses(folder):
    """Every loss that was printed, by step; a step done twice must have printed the same loss."""
    by_step = {}
    for line in (folder / "losses").read_text().splitlines():
        by_step.setdefault(int(line.split()[0]), set()).add(line.split()[1])
    return by_step


def files(folder):
    """What stands on the disk in the end, optimiser and random state included."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "run").rglob("*")) if p.is_file()}


KINDS = ["lora", "lora+recompute", "full", "full+bfloat16+recompute", "lora+head", "full+head"]


@pytest.mark.parametrize("weights", KINDS)
def test_a_killed_run_goes_on_with_identical_losses_and_files(tmp_path, run, weights):
    assert run(tmp_path / "whole", weights=weights) == 0
    # Step 3, 6, … are saved: kill right after a checkpoint, between two, and one step before the end.
    for kill_at in (3, 5, 11):
        assert run(tmp_path / "cut", kill_at, weights) == -signal.SIGKILL
    assert run(tmp_path / "cut", weights=weights) == 0
    whole, cut = losses(tmp_path / "whole"), losses(tmp_path / "cut")
    assert sorted(whole) == list(range(1, 13))
    assert cut == whole
    assert all(len(values) == 1 for values in cut.values())
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("weights", KINDS)
def test_kills_at_moments_that_nobody_chose(tmp_path, run, weights):
    took = []
    for folder in ("whole", "again"):  # the first run of a machine is slower than the others
        began = time.perf_counter()
        assert run(tmp_path / folder, weights=weights) == 0
        took.append(time.perf_counter() - began)
    ends = []
    for part in range(1, 25):
        folder = tmp_path / str(part)
        ends.append(run(folder, weights=weights, seconds=min(took) * part / 25))
        assert run(folder, weights=weights) == 0
        assert files(folder) == files(tmp_path / "whole")
        assert all(len(values) == 1 for values in losses(folder).values())
        shutil.rmtree(folder)
    assert ends.count(-signal.SIGKILL) > 6, "the kills came too late to mean anything"


@pytest.fixture
def saved(tiny_llama, tmp_path):
    """A folder with two checkpoints, and what made it."""
    adapter = adapters.attach(tiny_llama())
    optimizer = Optimizer(adapter.parameters)
    state = State(run="r")
    for step in (1, 2):
        sum(p.square().sum() for p in adapter.parameters).backward()
        optimizer.step(0.1)
        state = State(run="r", step=step, log=({"step": step, "loss": 1.0},), checkpoints=state.checkpoints)
        state = checkpoint.save(tmp_path, state=state, model=adapter.model, adapter=adapter, optimizer=optimizer)
    return tmp_path, adapter, state


def resume(folder, adapter, run="r"):
    optimizer = Optimizer(adapter.parameters)
    return checkpoint.resume(folder, run=run, model=adapter.model, adapter=adapter, optimizer=optimizer), optimizer


def test_every_step_keeps_its_weights_and_only_the_last_its_optimiser(saved, tiny_llama):
    folder, _, state = saved
    assert [c.step for c in state.checkpoints] == [1, 2]
    assert [p.name for p in folder.glob("optimizer-*")] == ["optimizer-000002.safetensors"]
    for kept in state.checkpoints:
        assert adapters.load(tiny_llama(), folder / kept.folder).digest == kept.weights
    again, optimizer = resume(folder, adapters.attach(tiny_llama(), seed=9))
    assert again == state
    assert optimizer.state()["0.step"].item() == 2


def test_what_the_state_does_not_name_is_ignored(saved, tiny_llama):
    folder, _, state = saved
    (folder / "optimizer-000003.safetensors").write_bytes(b"half")
    (folder / "step-000003").mkdir()
    (folder / "step-000003" / ".adapter_model.safetensors.abc").write_bytes(b"half")
    assert resume(folder, adapters.attach(tiny_llama()))[0] == state
    assert not list(folder.rglob(".*")), "what a killed write left is cleared away"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "state.json").write_text("{"), "state.json is damaged"),
        (lambda f: (f / "optimizer-000002.safetensors").write_bytes(b"x"), "optimizer-000002.safetensors is damaged"),
        (
            lambda f: shutil.copy(f / "step-000001" / adapters.WEIGHTS, f / "step-000002" / adapters.WEIGHTS),
            "is not what step 2 wrote",
        ),
    ],
)
def test_damage_is_an_error_and_never_a_silent_restart(saved, damage, message):
    folder, adapter, _ = saved
    damage(folder)
    with pytest.raises(TrainingError, match=message):
        resume(folder, adapter)


def test_a_folder_of_another_run_is_not_mixed(saved):
    folder, adapter, _ = saved
    with pytest.raises(TrainingError, match="another folder"):
        resume(folder, adapter, run="other")
    assert json.loads((folder / "state.json").read_text())["run"] == "r"


@pytest.mark.parametrize("lora", [True, False])
def test_the_head_is_stored_beside_the_weights_and_checked_with_them(tiny_llama, tmp_path, lora):
    def start(seed):
        model = tiny_llama()
        adapter = adapters.attach(model) if lora else None
        heads.attach(model, features=1, seed=seed)
        parameters = [*adapter.parameters, *heads.parameters(model)] if adapter else list(model.parameters())
        return {"model": model, "adapter": adapter, "optimizer": Optimizer(parameters)}

    one, other = start(0), start(1)
    checkpoint.save(tmp_path, state=State(run="r", step=1), **one)
    checkpoint.resume(tmp_path, run="r", **other)
    assert torch.equal(one["model"].gnomon_head.weight, other["model"].gnomon_head.weight)

    # The policy alone can be sampled from: a stored critic is left where it is.
    heads.detach(other["model"])
    checkpoint.restore_weights(tmp_path / "step-000001", other["model"], other["adapter"])
    with pytest.raises(TrainingError, match="not what step 1 wrote"):
        checkpoint.resume(tmp_path, run="r", **other)
    heads.attach(other["model"], features=2)
    with pytest.raises(TrainingError, match="another model"):
        checkpoint.resume(tmp_path, run="r", **other)
