"""A model tuned by an adapter: kept, had back, written, and itself unchanged."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gnomon.cli import tuning
from gnomon.core import plugin
from gnomon.core.errors import ModelError
from gnomon.core.protocols import Quiet, Sampling
from gnomon.core.types import Message, Transcript
from gnomon.models.load import load
from gnomon.models.scripted import weak
from gnomon.training.schedule import Offline

if TYPE_CHECKING:
    from gnomon.models.local import LocalModel

ROWS = [{"case": str(i), "prompt": [{"role": "user", "content": q}], "chosen": "blue"} for i, q in enumerate("abcd")]


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> "LocalModel":
    return tuning.here(load(str(tiny), cache=tmp_path, dtype="float32"), "the student")


def test_what_was_learned_is_had_back_and_written(model: "LocalModel", tmp_path: Path) -> None:
    loop = Offline(epochs=30, batch=4, learning_rate=2e-2)
    state = tuning.tuned(
        model, ROWS, loss=plugin.build("loss", "sft"), loop=loop, folder=tmp_path / "work", sink=Quiet()
    )
    asked = [Transcript((Message("user", "a"),))]
    plain = model.generate(prompts=asked, sampling=Sampling(max_new_tokens=2))[0].reply
    with tuning.at(model, state, tmp_path / "work", seed=0, name="learned") as there:
        assert there.identity["name"] == "learned"
        assert there.identity["weights"] != model.identity["weights"]
        said = there.generate(prompts=asked, sampling=Sampling(max_new_tokens=2))[0].reply
    assert said == "blue" != plain
    assert model.generate(prompts=asked, sampling=Sampling(max_new_tokens=2))[0].reply == plain
    files = tuning.written(model, state, tmp_path / "work", seed=0, into=tmp_path / "model")
    assert "model.safetensors" in files
    stored = load(str(tmp_path / "model"), cache=tmp_path, dtype="float32")
    assert stored.generate(prompts=asked, sampling=Sampling(max_new_tokens=2))[0].reply == "blue"


def test_a_model_that_is_not_here_cannot_be_tuned() -> None:
    with pytest.raises(ModelError, match="the student weak cannot be trained"):
        tuning.here(weak(), "the student")
