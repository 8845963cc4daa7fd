"""Online training in processes of its own, for tests that kill them: a critic, an adaptive penalty, a latch."""

import sys
from pathlib import Path

import killed_run
import tiny
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.models import adapters
from gnomon.training import world
from gnomon.training.collapse import Limits
from gnomon.training.losses.ppo import PPO
from gnomon.training.losses.vespo import VESPO
from gnomon.training.online import train
from gnomon.training.online_schedule import Online


def main(folder: Path, kill_at: int, weights: str) -> None:
    full = weights == "full"
    torch.set_num_threads(1)  # tiny tensors: a second thread only waits
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"vocab_size": 50, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3}
    model = LlamaForCausalLM(LlamaConfig(**shape))
    settings = Online(
        steps=13,
        prompts=3,
        group=4,
        staleness=2,
        passes=2,
        max_new_tokens=6,
        every=4,
        learning_rate=1e-4 if full else 1e-2,  # all weights: rounding must not grow as fast as it can
        kl=0.1,
        kl_target=0.5,
        norms="lagrangian" if full else "latch",
        limits=Limits(off=("kl", "entropy", "gradient", "flat")),
    )
    train(
        subject=tiny.subject(model),
        adapter=None if full else adapters.attach(model, adapters.LoRA(rank=4)),
        prompts=tiny.asked(*(f"w{i} w{i + 1}" for i in range(10, 30))),
        judge=tiny.likes("w7", broken="w8"),
        loss=VESPO() if full else PPO(),
        settings=settings,
        folder=folder / "run",
        sink=killed_run.Lines(folder / "losses", kill_at),
    )


if __name__ == "__main__":
    if sys.argv[1:]:  # under torchrun
        world.join()
        main(Path(sys.argv[1]), 0, sys.argv[2])
        world.leave()
    else:
        killed_run.serve(main)
