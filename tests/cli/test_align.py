"""`gnomon align` writes a model that loads and answers."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import STARTER, Gnomon, variables
from tests.torchrun import torchrun

FEW = "cases_per_target=4 steps=4 pairs_per_step=4 checkpoint_every=2 max_new_tokens=8"


@pytest.mark.parametrize("more", [["--method", "sft"], ["--set", "weights=full"]])
def test_align_writes_a_model_folder(gnomon: Gnomon, tiny: Path, tmp_path: Path, more: list[str]) -> None:
    pairs = [part for pair in FEW.split() for part in ("--set", pair)]
    ran = gnomon("align", STARTER, "--model", tiny, "--out", "a", "--json", *pairs, *more)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout)
    assert len(told["log"]) == 4
    assert set(told["weights"]["files"]) >= {"config.json", "model.safetensors"}

    from gnomon.core.protocols import Sampling
    from gnomon.core.types import Message, Transcript
    from gnomon.models.load import load

    made = load(str(tmp_path / "a" / "model"), cache=tmp_path)
    asked = Transcript((Message("user", "Hello?"),))
    assert made.generate(prompts=[asked], sampling=Sampling(max_new_tokens=2))[0].messages[-1].role == "assistant"
    assert gnomon("verify", "a").returncode == 0


def test_a_model_without_weights_here_cannot_be_trained(gnomon: Gnomon, parrot: Path) -> None:
    ran = gnomon("align", STARTER, "--model", f"scripted:{parrot}", "--out", "a")
    assert ran.returncode == 2
    assert "cannot be trained" in ran.stderr


def test_two_processes_make_the_same_model_as_one(gnomon: Gnomon, tiny: Path, tmp_path: Path) -> None:
    few = [part for pair in [*FEW.split(), "weights=full", "loop.precision=float32"] for part in ("--set", pair)]
    arguments = ["align", STARTER, "--model", tiny, "--json", *few]
    alone = gnomon(*arguments, "--out", "one")
    assert alone.returncode == 0, alone.stderr[-3000:]
    ran = torchrun("-m", "gnomon", *arguments, "--out", "two", cwd=tmp_path, env=variables(tmp_path))
    assert ran.returncode == 0, ran.stderr[-3000:]
    logs = [[row["loss"] for row in json.loads(out)["log"]] for out in (alone.stdout, ran.stdout)]
    assert logs[1] == pytest.approx(logs[0], rel=1e-5)
    assert (tmp_path / "two" / "model" / "model.safetensors").exists()
    assert gnomon("verify", "two").returncode == 0
