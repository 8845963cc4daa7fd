"""The offline loop: fixed examples, one loss, read top to bottom. Every method without sampling runs through it.

Batch -> packed rows -> log-probabilities -> loss -> gradient -> clip -> AdamW -> checkpoint -> numbers.
It samples nothing and judges nothing; which step to keep is the limit's affair.
Shapes: `B` examples, `C` completions each. Units: nats.
Fails: a loss or gradient that is not finite, or a loss that runs away, is a TrainingError that names the step.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.core.canonical import digest
from gnomon.core.errors import DataError, TrainingError
from gnomon.core.protocols import LossOut, Quiet, Sink
from gnomon.core.types import Json
from gnomon.models import heads, logprobs
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.models.packing import Packed
from gnomon.training import checkpoint, reference, schedule
from gnomon.training.backward import Measure, backward
from gnomon.training.batches import OfflineLoss
from gnomon.training.checkpoint import State
from gnomon.training.examples import Example
from gnomon.training.optimizer import Optimizer
from gnomon.training.schedule import Offline

RUNAWAY = 10.0
"""A loss this many times its first value (or 1, if that is more) has diverged."""


def train(
    *,
    subject: LocalModel,
    adapter: Adapter | None,
    examples: Sequence[Example],
    loss: OfflineLoss,
    settings: Offline,
    folder: Path,
    measure: Measure = logprobs.sequence_logp,
    references: Path | None = None,
    sink: Sink | None = None,
) -> State:
    """Train the adapter, or without one all weights; the result is left in the model. Goes on where `folder` stopped.

    `measure` gives what the loss reads of each completion: its log-probability, or a head's outputs.
    `references` is the cache of reference log-probabilities, by default in `folder`; runs may share it.
    """
    sink = Quiet() if sink is None else sink
    model, parameters = subject.model.eval(), _parameters(subject.model, adapter)
    _check_examples(examples, loss)
    batches = schedule.plan(examples, settings)
    optimizer = Optimizer(parameters, weight_decay=settings.weight_decay)
    run = _run(subject, adapter, examples, loss, settings)
    state = checkpoint.resume(folder, run=run, model=model, adapter=adapter, optimizer=optimizer)
    cache = None
    if loss.NEEDS_REFERENCE:
        cache = reference.log_probabilities(
            subject=subject,
            adapter=adapter,
            batches=batches,
            row_tokens=settings.row_tokens,
            path=references or folder / "reference.json",
            trained=state.step > 0,
            sink=sink,
        )
    for step in range(state.step + 1, len(batches) + 1):
        began, batch = time.perf_counter(), batches[step - 1]
        optimizer.clear()
        packs = [reference.pack_row(part) for part in schedule.rows(batch, settings.row_tokens)]
        out = backward(model, packs, measure=measure, loss_of=partial(_loss, loss, batch, packs, cache))
        norm = optimizer.clip(settings.clip)
        row: dict[str, Json] = {"step": step, "loss": out.loss.item(), "gradient_norm": norm, **out.metrics}
        _check_numbers(row, state, settings)
        rate = schedule.learning_rate(step, len(batches), settings)
        optimizer.step(rate)
        state = replace(state, step=step, log=(*state.log, row))
        if step % settings.every == 0 or step == len(batches):
            state = checkpoint.save(folder, state=state, model=model, adapter=adapter, optimizer=optimizer)
        for name, value in row.items():
            sink.number(name, value, "nats" if name == "loss" else "", step)
        sink.number("learning_rate", rate, "", step)
        sink.number("progress", step / len(batches), "share done", step)
        sink.number("speed", len(batch) / (time.perf_counter() - began), "examples/s", step)
    return state


def _loss(
    loss: OfflineLoss,
    batch: Sequence[Example],
    packs: Sequence[Packed],
    cache: reference.Cache | None,
    output: Tensor,
) -> LossOut:
    """The loss of one batch's outputs, one a completion."""
    shape = (len(batch), loss.READS.COMPLETIONS)
    output_BC = output.view(*shape, *output.shape[1:])
    plain = output.detach()
    if cache is None:
        reference_BC = plain.new_full(shape, math.nan)
    else:
        reference_BC = plain.new_tensor([cache[e.content] for e in batch])
    count_BC = torch.cat([packed.count_B for packed in packs]).view(shape).to(plain)
    label_B = plain.new_tensor([e.label for e in batch])
    made = loss.READS.of(output_BC=output_BC, reference_BC=reference_BC, count_BC=count_BC, label_B=label_B)
    return loss(batch=made)


def _parameters(model: Any, adapter: Adapter | None) -> list[nn.Parameter]:
    if adapter is not None:
        return [*adapter.parameters, *heads.parameters(model)]
    model.requires_grad_(True)
    return list(model.parameters())


def _check_examples(examples: Sequence[Example], loss: OfflineLoss) -> None:
    if not examples:
        raise DataError("no examples to train on; the model may already keep every case that pairs are made from")
    wanted = loss.READS.COMPLETIONS
    for example in examples:
        if len(example.completions) != wanted:
            raise DataError(
                f"example {example.id} has {len(example.completions)} completions, {type(loss).__name__} reads {wanted}"
            )


def _run(
    subject: LocalModel, adapter: Adapter | None, examples: Sequence[Example], loss: Any, settings: Offline
) -> str:
    """Digest of all that the numbers depend on; `sink`, paths and time are not among it."""
    shape = [type(loss).__name__, asdict(loss), asdict(settings), asdict(adapter.settings) if adapter else None]
    start = [adapter.digest if adapter else None, checkpoint.head_digest(subject.model)]
    return digest(
        [dict(subject.identity), str(subject.model.dtype), shape, start, [[e.content, e.label] for e in examples]]
    )


def _check_numbers(row: Mapping[str, Json], state: State, settings: Offline) -> None:
    step, advice = (
        row["step"],
        (
            f"lower learning_rate (now {settings.learning_rate:g}), raise warmup, or look for broken examples; "
            + (
                f"the last good checkpoint is {state.checkpoints[-1].folder}"
                if state.checkpoints
                else "no checkpoint yet"
            )
        ),
    )
    for name, value in row.items():
        if not math.isfinite(value):
            raise TrainingError(f"step {step}: {name} is {value}; {advice}")
    first = state.log[0]["loss"] if state.log else row["loss"]
    if row["loss"] > RUNAWAY * max(abs(first), 1.0):
        raise TrainingError(f"step {step}: the loss has grown from {first:.3g} to {row['loss']:.3g}; {advice}")
