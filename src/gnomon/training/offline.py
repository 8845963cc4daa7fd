"""The offline loop: fixed examples, one loss, read top to bottom. Every method without sampling runs through it.

Batch -> packed rows -> log-probabilities -> loss -> gradient -> clip -> AdamW -> checkpoint -> numbers.
Under `torchrun` every process runs it: they share the rows, and the first writes and reports.
It samples nothing and judges nothing; which step to keep is the limit's affair.
Shapes: `B` examples, `C` completions each. Units: nats.
Fails: examples that do not fit and too little memory are named (`checks`), and so is what `collapse` finds.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gnomon.core.canonical import digest
from gnomon.core.protocols import LossOut, Quiet, Sink
from gnomon.core.types import Json
from gnomon.models import logprobs
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.models.packing import Packed
from gnomon.training import checkpoint, checks, collapse, reference, schedule, world
from gnomon.training.backward import Measure, backward
from gnomon.training.batches import OfflineLoss
from gnomon.training.checkpoint import State
from gnomon.training.collapse import Limits
from gnomon.training.examples import Example
from gnomon.training.parameters import prepare
from gnomon.training.progress import Pace
from gnomon.training.schedule import Offline

NEUTRAL = ("row_tokens", "recompute", "every")
"""Settings that change no number but its rounding: a run may go on with others, as after one that ran out of memory."""


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
    model, here = subject.model, world.current()
    sink = sink if sink is not None and here.leads else Quiet()
    checks.fit(examples, completions=loss.READS.COMPLETIONS, subject=subject, loss=type(loss).__name__)
    batches = schedule.plan(examples, settings)
    optimizer = prepare(model, adapter, precision=settings.precision, weight_decay=settings.weight_decay)
    run = _run(subject, adapter, examples, loss, settings)
    world.agree(run, "data, settings or model")
    state = checkpoint.resume(folder, run=run, model=model, adapter=adapter, optimizer=optimizer)
    cache = None
    if loss.NEEDS_REFERENCE:
        with checks.memory(settings, state):
            cache = reference.log_probabilities(
                subject=subject,
                adapter=adapter,
                batches=batches,
                row_tokens=settings.row_tokens,
                path=references or folder / "reference.json",
                trained=state.step > 0,
                sink=sink,
            )
    pace = Pace(sink, done=state.step, steps=len(batches))
    for step in range(state.step + 1, len(batches) + 1):
        batch = batches[step - 1]
        rate = schedule.learning_rate(step, len(batches), settings)
        packs = [reference.pack_row(part) for part in schedule.rows(batch, settings.row_tokens, here.size)]
        loss_of = partial(_loss, loss, batch, packs, cache, settings, state)
        with checks.memory(settings, state):
            optimizer.clear()
            out = backward(model, packs, measure=measure, loss_of=loss_of, recompute=settings.recompute)
            norm = optimizer.clip(settings.clip)
            row: dict[str, Json] = {"step": step, "loss": out.loss.item(), "gradient_norm": norm, **out.metrics}
            collapse.check(
                row, state.log, learning_rate=settings.learning_rate, checkpoints=state.checkpoints, limits=Limits()
            )
            optimizer.step(rate)
        state = replace(state, step=step, log=(*state.log, row))
        if step % settings.every == 0 or step == len(batches):
            state = checkpoint.save(folder, state=state, model=model, adapter=adapter, optimizer=optimizer)
        for name, value in row.items():
            sink.number(name, value, "nats" if name == "loss" else "", step)
        sink.number("learning_rate", rate, "", step)
        pace.step(step, examples=len(batch), tokens=sum(len(packed.ids_N) for packed in packs))
    return state


def _loss(
    loss: OfflineLoss,
    batch: Sequence[Example],
    packs: Sequence[Packed],
    cache: reference.Cache | None,
    settings: Offline,
    state: State,
    output: Tensor,
) -> LossOut:
    """The loss of one batch's outputs, one a completion."""
    shape = (len(batch), loss.READS.COMPLETIONS)
    output_BC = output.view(*shape, *output.shape[1:])
    checks.finite(list(output_BC), batch, settings, state)
    plain = output.detach()
    if cache is None:
        reference_BC = plain.new_full(shape, math.nan)
    else:
        reference_BC = plain.new_tensor([cache[e.content] for e in batch])
    count_BC = torch.cat([packed.count_B for packed in packs]).view(shape).to(plain)
    label_B = plain.new_tensor([e.label for e in batch])
    made = loss.READS.of(output_BC=output_BC, reference_BC=reference_BC, count_BC=count_BC, label_B=label_B)
    return loss(batch=made)


def _run(
    subject: LocalModel, adapter: Adapter | None, examples: Sequence[Example], loss: Any, settings: Offline
) -> str:
    """Digest of all that the numbers depend on; `sink`, paths and time are not among it."""
    chosen = {name: value for name, value in asdict(settings).items() if name not in NEUTRAL}
    shape = [type(loss).__name__, asdict(loss), chosen, asdict(adapter.settings) if adapter else None]
    start = [adapter.digest if adapter else None, checkpoint.head_digest(subject.model)]
    kind = str(world.computes_in(subject.model))
    return digest([dict(subject.identity), kind, shape, start, [[e.content, e.label] for e in examples]])
