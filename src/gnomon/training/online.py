"""The online loop: the model's own replies, judged, and one loss; read top to bottom. Every sampling method runs here.

Prompts -> rollouts of the live weights -> judge -> norms -> advantages -> mini-batches: loss -> gradient -> AdamW;
then the next rollouts -> checkpoint -> numbers. Nothing goes from one batch of rollouts to the next but what stands in
the checkpoint, and every batch draws from streams of its own: a killed run goes on with the identical loss.
Which step to keep is the limit's affair. Units: nats; rewards as judged.
Departs: mini-batches keep their order in every pass, and a prompt's rollouts lie side by side in them.
Fails: what `collapse` finds, and what can't be learned from, is a TrainingError that names the step and what to change.
"""

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gnomon.core.canonical import digest, from_builtins, to_builtins
from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut, Model, Quiet, Sink
from gnomon.core.types import Json, Transcript
from gnomon.models import adapters, heads, logprobs
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.models.packing import Packed
from gnomon.training import checkpoint, checks, collapse, minibatches, norms, rollouts, schedule, world
from gnomon.training.backward import Measure, backward, outputs
from gnomon.training.batches import OnlineLoss
from gnomon.training.checkpoint import State
from gnomon.training.gather import Gathered, Progress, gather
from gnomon.training.judged import Judge
from gnomon.training.minibatches import Part
from gnomon.training.online_schedule import Online, adapted
from gnomon.training.optimizer import Optimizer
from gnomon.training.parameters import prepare
from gnomon.training.progress import Pace
from gnomon.training.rollouts import Prompt


def train(
    *,
    subject: LocalModel,
    adapter: Adapter | None,
    prompts: Sequence[Transcript],
    judge: Judge,
    loss: OnlineLoss,
    settings: Online,
    folder: Path,
    judged_by: Json = "",
    sampler: Model | None = None,
    release: Sequence[str] = (),
    sink: Sink | None = None,
) -> State:
    """Train the adapter, or without one all weights; the result is left in the model. Goes on where `folder` stopped.

    `judged_by` names the judge, so that a folder is not gone on with under another one. `sampler`: where replies come
    from, if not from the live weights. `release`: ids of suspended prompts that a person lets be sampled again.
    All weights: the reference is a copy of the model as it is handed in.
    """
    _check(loss, settings, adapter)
    sink = sink if sink is not None and world.current().leads else Quiet()
    asked = rollouts.encode(subject, prompts, most=settings.max_new_tokens)
    model, reference = subject.model.eval(), _reference(subject.model, adapter, loss, settings)
    drawn_from = _source(subject, adapter, sampler, settings)
    with _critic(model, loss, settings) as measure:
        optimizer = prepare(model, adapter, precision=settings.precision, weight_decay=settings.weight_decay)
        run = _run(subject, adapter, asked, loss, settings, judged_by, sampler)
        world.agree(run, "prompts, settings or model")
        state = checkpoint.resume(folder, run=run, model=model, adapter=adapter, optimizer=optimizer)
        progress = saved = _progress(state, settings, release)
        pace = Pace(sink, done=state.step, steps=settings.steps)
        while state.step < settings.steps:
            began, before = time.perf_counter(), state.step
            with checks.memory(settings, state):
                world.refresh(drawn_from.model, model)
                gathered, progress = gather(
                    progress,
                    subject=drawn_from,
                    adapter=adapter,
                    prompts=asked,
                    judge=judge,
                    settings=settings,
                    sampler=sampler,
                )
                progress = _constrained(progress, gathered, settings)
                parts, numbers = minibatches.make(
                    gathered.pairs,
                    progress,
                    loss=loss,
                    settings=settings,
                    policy=partial(_outputs, model, measure),
                    reference=reference,
                )
            numbers |= _numbers(gathered, loss)
            left = settings.steps - state.step
            for part in [part for _ in range(settings.passes) for part in parts][:left]:
                with checks.memory(settings, state):
                    out, norm = _gradient(model, part, measure, optimizer, loss, settings)
                step = state.step + 1
                row = {"step": step, "loss": out.loss.item(), "gradient_norm": norm, **out.metrics, **numbers}
                collapse.check(
                    row,
                    state.log,
                    learning_rate=settings.learning_rate,
                    checkpoints=state.checkpoints,
                    limits=settings.limits,
                )
                rate = schedule.learning_rate(step, settings.steps, settings)
                optimizer.step(rate)
                state = replace(state, step=step, log=(*state.log, row))
                _report(sink, row, rate)
                pace.step(step, examples=len(part.columns["limit_B"]), tokens=sum(len(p.ids_N) for p in part.packs))
            progress = _held(progress, numbers, settings)
            due = state.step == settings.steps or state.step // settings.every > before // settings.every
            if due or progress.latch != saved.latch:  # a suspension outlives the process at once
                saved, state = progress, replace(state, more=to_builtins(progress))
                state = checkpoint.save(folder, state=state, model=model, adapter=adapter, optimizer=optimizer)
            _speed(sink, gathered, state.step, time.perf_counter() - began)
    return state


def _source(subject: LocalModel, adapter: Adapter | None, sampler: Model | None, settings: Online) -> LocalModel:
    """The model that replies are drawn from: several processes will hold their own weights in pieces, so a copy."""
    at_hand = adapter is not None or sampler is not None or world.current().size == 1
    return subject if at_hand else replace(subject, model=_copied(subject.model, settings))


def _gradient(
    model: Any, part: Part, measure: Measure, optimizer: Optimizer, loss: OnlineLoss, settings: Online
) -> tuple[LossOut, float]:
    """Loss of a mini-batch, and how long its gradient is before it is shortened."""
    optimizer.clear()
    loss_of = partial(minibatches.loss_on, loss, part)
    out = backward(model, part.packs, measure=measure, loss_of=loss_of, recompute=settings.recompute)
    return out, optimizer.clip(settings.clip)


def _check(loss: OnlineLoss, settings: Online, adapter: Adapter | None) -> None:
    name, estimate = type(loss).__name__, getattr(loss, "ADVANTAGE", None)
    if estimate is None:
        raise SettingsError(f"{name} is a loss of fixed examples; train it with the offline loop")
    if estimate != "gae" and settings.group < 2:
        raise SettingsError(f"{name} compares rollouts of one prompt: group must be at least 2, not {settings.group}")
    if estimate == "gae" and settings.dynamic_sampling:
        raise SettingsError(f"{name} has a critic and compares no groups; set dynamic_sampling to 0")


def _reference(model: Any, adapter: Adapter | None, loss: OnlineLoss, settings: Online) -> minibatches.Outputs | None:
    """Log-probabilities before training, if anything needs them: the adapter switched off, or a copy of all weights."""
    if not (loss.NEEDS_REFERENCE or settings.kl > 0 or settings.measure_kl):
        return None
    measure = partial(logprobs.token_logp, temperature=settings.temperature)
    if adapter is None:
        return partial(_outputs, _copied(model, settings), measure)

    def switched_off(packs: Sequence[Packed]) -> Tensor:
        with adapters.reference(adapter):
            return _outputs(model, measure, packs)

    return switched_off


def _copied(model: Any, settings: Online) -> Any:
    """All weights once more, as they compute, and never trained."""
    kind = getattr(torch, settings.precision) if settings.precision else model.dtype
    return copy.deepcopy(model).to(kind).requires_grad_(False)


@contextlib.contextmanager
def _critic(model: Any, loss: OnlineLoss, settings: Online) -> Iterator[Measure]:
    """What the loss reads of each token; a critic's head is on the model while it trains."""
    if not loss.READS.HEAD:
        yield partial(logprobs.token_logp, temperature=settings.temperature)
        return
    heads.attach(model, features=loss.READS.HEAD, seed=settings.seed)
    try:
        yield partial(heads.token_outputs, temperature=settings.temperature)
    finally:
        heads.detach(model)


def _outputs(model: Any, measure: Measure, packs: Sequence[Packed]) -> Tensor:
    return torch.cat(outputs(model, packs, measure))


def _progress(state: State, settings: Online, release: Sequence[str]) -> Progress:
    if state.more:
        found = from_builtins(state.more, Progress, where="state.json")
        return replace(found, latch=found.latch.release(release))
    return Progress(kl=settings.kl, multiplier=norms.begin(settings.lagrangian))


def _constrained(progress: Progress, gathered: Gathered, settings: Online) -> Progress:
    """With the multiplier moved by the costs of these rollouts."""
    if settings.norms != "lagrangian":
        return progress
    costs = [judged.harm for _, judged in gathered.pairs]
    return replace(progress, multiplier=norms.update(progress.multiplier, costs, settings.lagrangian))


def _held(progress: Progress, numbers: Mapping[str, float], settings: Online) -> Progress:
    """With the weight of the divergence moved towards its target."""
    if "kl" not in numbers:
        return progress
    return replace(progress, kl=adapted(progress.kl, measured=numbers["kl"], target=settings.kl_target))


def _numbers(gathered: Gathered, loss: OnlineLoss) -> dict[str, float]:
    """What rollouts are logged by; a critic tells prompts apart, so there only a whole batch can be all equal."""
    if loss.ADVANTAGE != "gae":
        return dict(gathered.numbers)
    return {**gathered.numbers, "equal_groups": float(len({judged.reward for _, judged in gathered.pairs}) == 1)}


def _run(
    subject: LocalModel,
    adapter: Adapter | None,
    asked: Sequence[Prompt],
    loss: Any,
    settings: Online,
    judged_by: Json,
    sampler: Model | None,
) -> str:
    """Digest of all that the numbers depend on but for rounding; `sink`, paths and time are not among it."""
    return digest(
        [
            [
                dict(subject.identity),
                str(world.computes_in(subject.model)),
                dict(sampler.identity) if sampler else None,
            ],
            [repr(loss), repr(replace(settings, row_tokens=1, recompute=False, every=1)), judged_by],
            [asdict(adapter.settings), adapter.digest] if adapter else None,
            [[prompt.transcript.id, prompt.ids] for prompt in asked],
        ]
    )


def _report(sink: Sink, row: Mapping[str, Json], rate: float) -> None:
    step, units = row["step"], {"kl": "nats/reply", "entropy": "nats/token", "length": "tokens"}
    for name, value in row.items():
        sink.number(name, value, units.get(name, ""), step)
    sink.number("learning_rate", rate, "", step)


def _speed(sink: Sink, gathered: Gathered, step: int, seconds: float) -> None:
    """Everything counted: sampling, judging, updates and the checkpoint."""
    sampled = gathered.numbers["sampled"]
    sink.number("rollouts", sampled / seconds, "rollouts/s", step)
    sink.number("sampled_tokens", sampled * gathered.numbers["length"] / seconds, "tokens/s", step)
