"""A run's checkpoints as models: ready to be trained, sampled from, measured, or written for use elsewhere.

It decides nothing: which checkpoint may be kept is the limit's affair.
Source: k1 estimator of KL, Schulman, "Approximating KL Divergence" (2020).
Units: divergence in nats a reply, under the sampling temperature of the run.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
import typer

from gnomon.charter.compile import spread
from gnomon.cli.environment import unwatched
from gnomon.cli.stages import Run
from gnomon.core.canonical import code_digest, digest, from_builtins, to_builtins
from gnomon.core.errors import ModelError
from gnomon.core.protocols import Sink
from gnomon.core.types import Json, Record, Transcript
from gnomon.models import adapters, logprobs
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.models.packing import pack
from gnomon.training import sinks, world
from gnomon.training.checkpoint import Checkpoint, State, restore_weights

ROWS = 16
"""Replies whose log-probabilities are computed at once."""
FEATURES = 16
"""Numbers that stand for the model's reading of a reply."""


def local(run: Run) -> LocalModel:
    """The start as a model in this process. Raises ModelError for one that cannot be trained here."""
    if not isinstance(run.model, LocalModel):
        name = run.model.identity.get("name", "this model")
        raise ModelError(f"{name} cannot be trained: its weights are not here; use --model with a folder or a hub id")
    return run.model


@contextmanager
def numbers(run: Run, title: str, steps: int) -> Iterator[Sink]:
    """Where the numbers of a training go: to whoever watches, to a file, and where the settings say."""
    shown = Loop(run.stage(title), steps)
    if not world.current().leads:
        yield shown
        return
    unwatched()
    place = sinks.Place(folder=run.folder / "work" / "metrics", run=run.folder.name)
    with sinks.opened(run.settings.track, place) as kept:
        yield sinks.Several((shown, kept))


def alone() -> None:
    """End the processes that helped to train: what follows is the first one's affair."""
    leads = world.current().leads
    world.leave()
    if not leads:
        raise typer.Exit


def recorded(run: Run, *, loss: Any, loop: Any, state: State, about: Json, parents: Sequence[str]) -> Record:
    """What was trained on, how, and what came of it: the `training` record."""
    return run.ledger.append(
        kind="training",
        payload={
            "method": run.settings.method,
            "settings": {"loss": to_builtins(loss), "loop": to_builtins(loop), "weights": run.settings.weights},
            **about,
            "log": to_builtins(state.log),
            "checkpoints": to_builtins(state.checkpoints),
        },
        parents=list(parents),
    )


@contextmanager
def trainable(run: Run) -> Iterator[tuple[LocalModel, Adapter | None]]:
    """The start, ready to be trained: with an adapter inside, or as a copy whose weights may all move."""
    start = local(run)
    if run.settings.weights == "full":
        yield replace(start, model=copy.deepcopy(start.model)), None
        return
    adapter = adapters.attach(start.model, seed=run.settings.seed)
    try:
        yield start, adapter
    finally:
        adapters.detach(adapter)


@contextmanager
def at(run: Run, checkpoint: Checkpoint) -> Iterator[LocalModel]:
    """The model at a checkpoint, to be sampled from. After it, the start is what it was."""
    start, place = local(run), run.folder / "work" / "training" / checkpoint.folder
    identity = dict(start.identity) | {
        "name": f"{start.identity['name']}+step-{checkpoint.step}",
        "weights": digest([start.identity["weights"], checkpoint.weights]),
    }
    with trainable(run) as (model, adapter):
        restore_weights(place, model.model, adapter)
        with adapters.merged(adapter) if adapter else nullcontext():
            yield replace(model, identity=identity)


def diverged(run: Run, checkpoint: Checkpoint | None, asked: Record) -> Record:
    """How far a checkpoint has moved from the start, on its own replies; the `divergence` record.

    Beside it each reply's entropy, and features: the start's reading of it, where outliers are looked for. No
    checkpoint: the start itself, on all its replies, since the others are compared with them.
    """
    settings = run.settings
    rows = run.ledger.payload(asked)["rows"]
    chosen = rows if checkpoint is None else [rows[i] for i in spread([len(rows)], settings.divergence_cases)]
    start = local(run)
    sink = run.stage(f"Divergence at step {checkpoint.step}" if checkpoint else "Before: entropy and features")

    def measure(shard: Json) -> Json:
        replies = [from_builtins(row["transcript"], Transcript) for row in shard]
        packed, counts = _packed(start, replies, settings.max_new_tokens)
        with torch.inference_mode():
            with at(run, checkpoint) if checkpoint else nullcontext(start) as model:
                policy = logprobs.token_logp(model.model, packed, temperature=settings.temperature)
            reference = logprobs.token_logp(start.model, packed, temperature=settings.temperature)
            kl_B = logprobs.sequence_kl(policy, reference, packed)
            entropy_B = -logprobs.per_sequence(policy, packed) / packed.count_B.to(policy)
            read_BF = _features(logprobs.hidden(start.model, packed, packed.last_B))
        found = zip(shard, kl_B.tolist(), counts, entropy_B.tolist(), read_BF.tolist(), strict=True)
        return [
            {
                "case": row["case"],
                "kl": kl if checkpoint else 0.0,
                "tokens": count,
                "entropy": round(entropy, 6),
                "features": [round(x, 4) for x in features],
            }
            for row, kl, count, entropy, features in found
        ]

    key = {
        "task": "run/divergence",
        "weights": [start.identity["weights"], checkpoint.weights if checkpoint else ""],
        "temperature": settings.temperature,
        "code": code_digest(),
    }
    shards = [chosen[i : i + ROWS] for i in range(0, len(chosen), ROWS)]
    found = [row for result in run.executor(sink).map(task=measure, shards=shards, key=key) for row in result.value]
    return run.ledger.append(
        kind="divergence",
        labels={"subject": f"step-{checkpoint.step}" if checkpoint else "before"},
        payload={
            "estimator": f"k1 on own replies, as text, at temperature {settings.temperature:g}",
            "rows": found,
        },
        parents=[asked.id],
    )


def _features(read_BD: torch.Tensor) -> torch.Tensor:
    """A random projection, the same for all: it keeps distances, and a record small."""
    draw = torch.Generator().manual_seed(0)
    onto_DF = torch.randn(read_BD.shape[1], FEATURES, generator=draw) / math.sqrt(read_BD.shape[1])
    return read_BD.float().cpu() @ onto_DF


def _packed(model: LocalModel, replies: Sequence[Transcript], most: int) -> tuple[Any, list[int]]:
    """Replies as tokens behind their prompts; one that was not cut ends with the end token."""
    prompts, completions = [], []
    for reply in replies:
        tokens = model.tokenizer.encode(reply.reply, add_special_tokens=False)
        end = [] if len(tokens) >= most else [model.tokenizer.eos_token_id]
        prompts.append(model.encode(Transcript(reply.messages[:-1])))
        completions.append([*tokens, *end])
    return pack(prompts, completions), [len(c) for c in completions]


def released(run: Run, checkpoint: Checkpoint, training: Record) -> Record:
    """Write the aligned model for use elsewhere; the `weights` record."""
    start, folder = local(run), run.folder / "model"
    place = run.folder / "work" / "training" / checkpoint.folder
    with trainable(run) as (model, adapter):
        restore_weights(place, model.model, adapter)
        files = adapters.write_folder(model.model, adapter, start.tokenizer, folder)
    return run.ledger.append(
        kind="weights",
        labels={"subject": "after"},
        payload={"folder": "model", "step": checkpoint.step, "digest": checkpoint.weights, "files": files},
        parents=[training.id, *(r.id for r in run.ledger.find("limit")[-1:])],
    )


class Loop:
    """The loop's numbers, as a stage shows them: its share of the work, and the loss beside it."""

    def __init__(self, sink: Sink, steps: int) -> None:
        self.sink, self.steps = sink, steps
        sink.number("steps.total", steps, "steps", 0)

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Pass on what a person wants to see."""
        if name == "progress":
            self.sink.number("steps.done", step, "steps", step)
        elif name in ("loss", "references.done", "references.total"):
            self.sink.number("loss" if name == "loss" else "reference log-probabilities", value, unit, step)

    def record(self, record: Record) -> None:
        """The loop makes none."""
