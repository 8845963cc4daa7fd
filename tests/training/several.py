"""Training runs on several processes, under torchrun: `several.py FOLDER NAME[:KILL_AT] …` runs cases in turn."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.core import seeds
from gnomon.core.errors import StorageError, TrainingError
from gnomon.core.protocols import LossOut
from gnomon.models import adapters, heads, logprobs
from gnomon.models.local import LocalModel
from gnomon.training import world
from gnomon.training.batches import PreferenceBatch, RewardBatch
from gnomon.training.examples import Example
from gnomon.training.losses.dpo import DPO
from gnomon.training.losses.sft import SFT
from gnomon.training.offline import train
from gnomon.training.schedule import Offline


@dataclass(frozen=True)
class Whole:
    """A loss in which every pair's gradient hangs on all others."""

    READS = PreferenceBatch
    NEEDS_REFERENCE = True

    def __call__(self, *, batch):
        margin_B = batch.chosen_logp_B - batch.chosen_reference_B - batch.rejected_logp_B + batch.rejected_reference_B
        level = (batch.rejected_logp_B - batch.rejected_reference_B).mean().detach().clamp(min=0)
        return LossOut((level - margin_B).logsumexp(0), {"level": level.item()})


@dataclass(frozen=True)
class Better:
    """The plainest loss of a scalar head."""

    READS = RewardBatch
    NEEDS_REFERENCE = False

    def __call__(self, *, batch):
        return LossOut(-torch.nn.functional.logsigmoid(batch.chosen_reward_B - batch.rejected_reward_B).mean(), {})


CASES = {
    "dpo": (DPO(rpo_alpha=0.3), {}),
    "sft": (SFT(), {"recompute": True}),
    "whole": (Whole(), {}),
    "lora": (Whole(), {"recompute": True}),
    "head": (Better(), {}),
    "lora+head": (Better(), {}),
    "bfloat16": (SFT(), {"precision": "bfloat16"}),
}


class Lines:
    """A sink that appends losses to a file, and kills its own process on demand; below 0 only stops the run."""

    def __init__(self, path, kill_at):
        self.path, self.kill_at = path, kill_at

    def number(self, name, value, unit, step):
        if name == "loss":
            with self.path.open("a") as handle:
                handle.write(f"{step} {value!r}\n")
            if step == self.kill_at:
                os.kill(os.getpid(), 9)
            if step == -self.kill_at:
                raise KeyboardInterrupt

    def record(self, record):
        raise AssertionError


def run(folder: Path, name: str, kill_at: int = 0) -> None:
    """One training run in a folder of its own; what is under way there goes on."""
    loss, settings = CASES[name]
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"vocab_size": 50, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3}
    model = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=name == "dpo"))
    draw = seeds.generator(0, "examples")
    words = [tuple(draw.randrange(50) for _ in range(draw.randrange(2, 7))) for _ in range(60)]
    examples = [
        Example(
            id=str(i),
            prompt=(1, 2, 3, *words[3 * i]),
            completions=(words[3 * i + 1], (9, *words[3 * i + 2]))[: loss.READS.COMPLETIONS],
        )
        for i in range(20)
    ]
    adapter = adapters.attach(model, adapters.LoRA(rank=4)) if name.startswith("lora") else None
    if isinstance(loss, Better):
        heads.attach(model, features=1)
    (folder / name).mkdir(parents=True, exist_ok=True)
    train(
        subject=LocalModel(model=model, tokenizer=None, identity={"name": "tiny", "weights": "0"}),
        adapter=adapter,
        examples=examples,
        loss=loss,
        measure=heads.sequence_outputs if isinstance(loss, Better) else logprobs.sequence_logp,
        # A batch of five in rows of one or two: the processes have unequally many.
        settings=Offline(epochs=2, batch=5, every=3, row_tokens=30, learning_rate=1e-3, **settings),
        folder=folder / name / "run",
        sink=Lines(folder / name / "losses", kill_at),
    )


def check(here: world.World) -> None:
    """What the processes do together, each seen from its own side."""
    mine = torch.full((here.rank + 1,), float(here.rank))
    together = world.gathered({1 - here.rank: mine}, mine.device)
    assert [t.tolist() for t in together] == [[1.0, 1.0], [0.0]], together

    world.agree("alike", "data")
    with pytest.raises(TrainingError, match=r"processes \[1\] have other data than process 0"):
        world.agree(str(here.rank), "data")

    def full() -> None:
        raise StorageError("the disk is full")

    assert world.lead(lambda: here.rank) == 0
    with pytest.raises(StorageError, match="the disk is full"):
        world.lead(full)

    both, one, none = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    both.grad = torch.full((2,), 1.0 + here.rank)
    if here.leads:
        one.grad = torch.ones(2)
    world.sum_gradients([both, one, none])
    assert (both.grad.tolist(), one.grad.tolist(), none.grad) == ([3.0, 3.0], [1.0, 1.0], None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    check(world.join())
    for case in sys.argv[2:]:
        chosen, _, when = case.partition(":")
        run(Path(sys.argv[1]), chosen, int(when or 0))
    world.leave()
