"""Training runs in processes of their own, for tests that kill them: each step's loss goes to a file as it happens."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.core import seeds
from gnomon.core.protocols import LossOut
from gnomon.models import adapters, heads, logprobs
from gnomon.models.local import LocalModel
from gnomon.training.batches import RewardBatch
from gnomon.training.examples import Example
from gnomon.training.losses.dpo import DPO
from gnomon.training.offline import train
from gnomon.training.schedule import Offline

STEPS = 12


class Lines:
    """A sink that appends losses to a file, flushed before the next step, and kills its own process on demand."""

    def __init__(self, path: Path, kill_at: int) -> None:
        self.path, self.kill_at = path, kill_at

    def number(self, name, value, unit, step):
        if name == "loss":
            with self.path.open("a") as handle:
                handle.write(f"{step} {value!r}\n")
            if step == self.kill_at:
                os.kill(os.getpid(), 9)

    def record(self, record):
        raise AssertionError


@dataclass(frozen=True)
class Better:
    """The plainest loss of a scalar head."""

    READS = RewardBatch
    NEEDS_REFERENCE = False

    def __call__(self, *, batch: RewardBatch) -> LossOut:
        return LossOut(-torch.nn.functional.logsigmoid(batch.chosen_reward_B - batch.rejected_reward_B).mean(), {})


def main(folder: Path, kill_at: int, weights: str) -> None:
    torch.set_num_threads(1)  # tiny tensors: a second thread only waits
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=2, max_position_embeddings=64, **shape))
    draw = seeds.generator(0, "examples")
    words = [tuple(draw.randrange(50) for _ in range(draw.randrange(2, 7))) for _ in range(60)]
    examples = [
        Example(id=str(i), prompt=(1, 2, 3, *words[3 * i]), completions=(words[3 * i + 1], (9, *words[3 * i + 2])))
        for i in range(20)
    ]
    adapter = None if weights.startswith("full") else adapters.attach(model, adapters.LoRA(rank=4))
    scalar = weights.endswith("head")
    if scalar:
        heads.attach(model, features=1)
    train(
        subject=LocalModel(model=model, tokenizer=None, identity={"name": "tiny", "weights": "0"}),
        adapter=adapter,
        examples=examples,
        loss=Better() if scalar else DPO(),
        measure=heads.sequence_outputs if scalar else logprobs.sequence_logp,
        settings=Offline(
            epochs=3,
            batch=5,
            every=3,
            learning_rate=1e-2,
            recompute="recompute" in weights,
            precision="bfloat16" if "bfloat16" in weights else None,
        ),
        folder=folder / "run",
        sink=Lines(folder / "losses", kill_at),
    )


def serve(run=main) -> None:
    """Read `folder kill_at weights seconds` lines; run each in a process of its own and answer with how it ended.

    Forking after the imports spares each run the seconds that they take; this process itself never computes.
    """
    for line in sys.stdin:
        folder, kill_at, weights, seconds = line.split()
        child = os.fork()
        if child == 0:
            run(Path(folder), int(kill_at), weights)
            os._exit(0)
        if float(seconds):
            time.sleep(float(seconds))
            os.kill(child, 9)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
