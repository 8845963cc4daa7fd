import copy
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from gnomon.training import world  # noqa: E402
from tests.torchrun import torchrun  # noqa: E402

from . import several  # noqa: E402

SCRIPT = Path(several.__file__)
EXACT = ("sft", "whole", "lora", "head", "lora+head", "dpo")


def on_two_processes(folder, *cases):
    """Returns how it ended and what was said."""
    done = torchrun(SCRIPT, folder, *cases)
    return done.returncode, done.stderr[-3000:]


def losses(folder, name):
    """The last loss that was written for each step."""
    lines = (folder / name / "losses").read_text().splitlines()
    return {int(line.split()[0]): float(line.split()[1]) for line in lines}


def weights(folder, name):
    """What stands on the disk at the end: every step's weights, and the optimiser."""
    files = sorted((folder / name / "run").rglob("*.safetensors"))
    return {f"{file.relative_to(folder)}: {key}": t for file in files for key, t in load_file(file).items()}


def assert_same(one, two, name):
    """Losses to 1e-5, weights and moments to 1e-4: single weights differ by 3e-5 at a learning rate of 1e-3."""
    assert losses(one, name) == pytest.approx(losses(two, name), rel=1e-5, abs=1e-5)
    for (key, a), (other, b) in zip(weights(one, name).items(), weights(two, name).items(), strict=True):
        assert (key, a.dtype) == (other, b.dtype)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of the same runs on one process and on two; `dpo` was killed after step 5 and `whole` stopped there."""
    root = tmp_path_factory.mktemp("several")
    one, two = root / "one", root / "two"
    for name in several.CASES:
        several.run(one, name)
    others = [name for name in several.CASES if name != "dpo"]
    code, said = on_two_processes(two, *others, "dpo:5")
    assert code == 1, said
    assert "Signal 9" in said, said
    return one, two


@pytest.mark.parametrize("name", EXACT[:-1])
def test_two_processes_give_the_losses_and_weights_of_one(runs, name):
    assert_same(*runs, name)


def test_two_processes_in_bfloat16_round_elsewhere_and_store_the_same(runs):
    one, two = runs
    assert losses(one, "bfloat16") == pytest.approx(losses(two, "bfloat16"), rel=1e-2)
    a, b = weights(one, "bfloat16"), weights(two, "bfloat16")
    assert {k: (t.dtype, t.shape) for k, t in a.items()} == {k: (t.dtype, t.shape) for k, t in b.items()}
    assert {str(t.dtype) for k, t in b.items() if "model.safetensors" in k} == {"torch.bfloat16"}
    assert any(k.endswith(".master") and t.dtype == torch.float32 for k, t in b.items())


def test_a_killed_run_goes_on_with_as_many_processes_or_fewer_or_more(runs, tmp_path):
    one, two = runs
    assert sorted(losses(two, "dpo")) == [1, 2, 3, 4, 5]
    for place in ("both", "fewer"):
        shutil.copytree(two / "dpo", tmp_path / place / "dpo")
    with pytest.raises(KeyboardInterrupt):
        several.run(tmp_path / "both", "bfloat16", kill_at=-5)
    code, said = on_two_processes(tmp_path / "both", "dpo", "bfloat16")
    assert code == 0, said
    assert_same(one, tmp_path / "both", "dpo")
    assert losses(one, "bfloat16") == pytest.approx(losses(tmp_path / "both", "bfloat16"), rel=1e-2)
    several.run(tmp_path / "fewer", "dpo")
    assert_same(one, tmp_path / "fewer", "dpo")


def test_a_copy_follows_the_model_in_its_own_type():
    model = torch.nn.Linear(3, 2)
    copied = copy.deepcopy(model).to(torch.bfloat16)
    with torch.no_grad():
        model.weight += 1
    world.refresh(model, model)
    world.refresh(copied, model)
    assert copied.weight.dtype == torch.bfloat16
    assert torch.equal(copied.weight, model.weight.to(torch.bfloat16))


def test_alone_there_is_nothing_to_gather():
    assert world.current() == world.join() == world.World(0, 1)
    assert world.lead(lambda: 3) == 3
    world.agree("x", "data")
    parameter = torch.nn.Parameter(torch.zeros(2))
    world.sum_gradients([parameter])
    assert parameter.grad is None


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 8))
def test_shares_are_a_division_and_nearly_even(weights, size):
    given = world.shares(weights, size)
    assert len(given) == size
    assert sorted(i for items in given for i in items) == list(range(len(weights)))
    loads = [sum(weights[i] for i in items) for items in given]
    assert max(loads) - min(loads) <= max(weights, default=0)
    assert len(weights) > size or max(map(len, given)) <= 1
