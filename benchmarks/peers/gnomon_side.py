"""Gnomon's side of a comparison: the product's own loops on the very batches that the peer takes. Prints one JSON line.

The tokens are those of the peer: prompt and reply through the chat template together, split where the reply begins.
"""

import itertools
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import clock
import torch
from pairs import pairs

from gnomon.core import plugin
from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.models import generate as decoding
from gnomon.models import heads, logprobs
from gnomon.models.local import LocalModel, open_folder, quiet
from gnomon.models.sampling import streams
from gnomon.training import offline, online, schedule
from gnomon.training.examples import Example
from gnomon.training.judged import Judged
from gnomon.training.online_schedule import Online
from gnomon.training.schedule import Offline

NEVER = 10**9


class Watch:
    """A sink that keeps the losses, and the time at the end of every step."""

    def __init__(self) -> None:
        self.steps, self.losses, self.seen = clock.Steps(), [], 0

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Take one number; the loss comes once a step, when the step is done."""
        if name == "loss":
            self.losses.append(round(value, 6))
            self.steps.end()

    def record(self, record: Any) -> None:
        """The loops make none."""


def examples(subject: LocalModel, method: str, count: int) -> list[Example]:
    """The first pairs as the peer tokenises them."""
    encode = partial(subject.tokenizer.apply_chat_template, tokenize=True, return_dict=False)
    made = []
    for index, row in enumerate(pairs()[:count]):
        prompt = encode(row["prompt"], add_generation_prompt=True)
        replies = [row["chosen"]] if method == "sft" else [row["chosen"], row["rejected"]]
        whole = [encode([*row["prompt"], *reply]) for reply in replies]
        assert all(ids[: len(prompt)] == prompt for ids in whole)
        completions = tuple(tuple(ids[len(prompt) :]) for ids in whole)
        made.append(Example(id=str(index), prompt=tuple(prompt), completions=completions))
    return made


def in_order(found: list[Example], settings: Offline) -> list[list[Example]]:
    """Batches in the order of the rows, as the peer's sequential sampler takes them."""
    return [found[i : i + settings.batch] for i in range(0, len(found), settings.batch)][: settings.steps]


def train_offline(asked: dict[str, Any], subject: LocalModel, watch: Watch) -> None:
    """DPO, supervised fine-tuning or a reward model."""
    method, batch = asked["method"], asked["batch"]
    measure = logprobs.sequence_logp
    if method == "reward":
        heads.attach(subject.model, features=1).weight.data.copy_(torch.load(asked["head"]))
        measure = heads.sequence_outputs
    schedule.plan = in_order
    # One step more than is timed: the loop stores its result in the last one.
    steps = asked["steps"] + 2
    settings = Offline(
        steps=steps, batch=batch, learning_rate=asked["learning_rate"], warmup=0.0, decay="constant", every=NEVER,
        precision=asked["dtype"], **asked.get("settings", {}),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        offline.train(
            subject=subject, adapter=None, examples=examples(subject, method, steps * batch),
            loss=plugin.build("loss", method), settings=settings, measure=measure, folder=Path(folder), sink=watch,
        )  # fmt: skip


def variety(replies: list[Transcript]) -> list[Judged]:
    """The reward of GRPO: distinct words over words."""
    words = [reply.reply.split() for reply in replies]
    return [Judged(reward=len(set(w)) / (1 + len(w)), broken={}) for w in words]


def train_online(asked: dict[str, Any], subject: LocalModel, watch: Watch) -> None:
    """GRPO from sampling to step."""
    steps = asked["steps"] + 2
    prompts = [Transcript(tuple(Message(m["role"], m["content"]) for m in r["prompt"])) for r in pairs()]
    settings = Online(
        steps=steps, prompts=2, group=8, max_new_tokens=64, learning_rate=asked["learning_rate"], every=NEVER,
        precision=asked["dtype"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        online.train(
            subject=subject, adapter=None, prompts=prompts, judge=variety, loss=plugin.build("loss", "dapo"),
            settings=settings, folder=Path(folder), sink=watch,
        )  # fmt: skip


def train(asked: dict[str, Any]) -> dict[str, Any]:
    """Run one loop."""
    with quiet():
        subject = open_folder(Path(asked["model"]), name="bench", dtype="float32", device="cpu")
    watch = Watch()
    (train_online if asked["method"] == "grpo" else train_offline)(asked, subject, watch)
    return {**watch.steps.result(asked["steps"]), "losses": watch.losses}


def generate(asked: dict[str, Any]) -> dict[str, Any]:
    """Greedy decoding that does not stop, through the decoder that rollouts and evaluation use."""
    with quiet():
        subject = open_folder(Path(asked["model"]), name="bench", dtype=asked["dtype"], device="cpu")
    found = {}
    for size in asked["sizes"]:
        encode = partial(subject.tokenizer.apply_chat_template, tokenize=True, return_dict=False)
        prompts = [encode(r["prompt"], add_generation_prompt=True) for r in itertools.islice(pairs(), size)]
        new, walls = asked["new"], []
        clock.forget_peak()
        for _ in range(asked["repeats"] + 1):
            began = time.perf_counter()
            replies = decoding.generate(
                subject.model, prompts=prompts, streams=streams([str(i) for i in range(size)], seed=0),
                sampling=Sampling(max_new_tokens=new), stop_tokens=frozenset(), batch_tokens=subject.batch_tokens,
            )  # fmt: skip
            walls.append(time.perf_counter() - began)
        assert all(len(reply) == new for reply in replies)
        found[str(size)] = {"tokens_per_s": round(size * new / min(walls[1:]), 1), "peak_mib": clock.peak_mib()}
    return found


def ceiling(asked: dict[str, Any]) -> dict[str, Any]:
    """GFLOP/s of a large square product, the best of several."""
    found = {}
    for dtype in ("float32", "bfloat16"):
        a = torch.randn(4096, 4096).to(getattr(torch, dtype))
        best = 1e9
        for _ in range(asked["repeats"] + 2):
            began = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - began)
        found[dtype] = round(2 * 4096**3 / best / 1e9)
    return found


def main() -> None:
    """Do what the first argument asks."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    result = {"generate": generate, "ceiling": ceiling}.get(asked["method"], train)(asked)
    print("RESULT " + json.dumps({**asked, **result}), flush=True)


if __name__ == "__main__":
    main()
