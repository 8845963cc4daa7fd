"""Asks a model items, thousands at a time, and keeps every answer as it comes, so that a killed run repeats nothing.

    items ──> samples without an answer in the store ──┬─> an endpoint: one loop, one worker for each request under way
                                                       ├─> a model in this process: in batches
                                                       ├─> choices: `likelihood`, in batches
                                                       └─> an executor: shards, asked elsewhere

Items may come from a generator of any length: only what is under way is in memory. It judges nothing. A sample that
cannot be had after the endpoint's tries is an error of its answer, counted, and asked again by the next run.
Fails: closed; a spent budget (BudgetSpent), a wrong key, or failures without end stop it; what was answered is kept.
"""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from gnomon.core import seeds
from gnomon.core.errors import DataError, EndpointError, GnomonError, ModelError, SettingsError
from gnomon.core.protocols import Executor, Model, Quiet, Sampling, Sink
from gnomon.core.types import Message, Transcript
from gnomon.evaluation import asked as naming
from gnomon.evaluation.asked import Asked
from gnomon.evaluation.items import Answer, Item
from gnomon.evaluation.likelihood import likelihoods
from gnomon.evaluation.picking import picked
from gnomon.executor.answers import Store
from gnomon.models.client import Client
from gnomon.models.endpoint import Endpoint, run
from gnomon.models.wire import Failure


class Likelihood(Protocol):
    """How choices are compared."""

    def __call__(self, *, model: Model, items: Sequence[Item]) -> Mapping[str, Answer]:
        """Log-probabilities of the choices of items, by item id."""
        ...


QUIET = Quiet()
SKIPPED = 256
"""Samples with an answer that are passed over before others get their turn."""
CHOOSING = 1024
"""Items with choices that a model in this process gets at once: those that begin alike share their beginning."""
TOLD = 100
"""Answers between two numbers to the sink."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is asked at once where the model itself does not say."""

    batch: int = 64
    """Prompts that a model in this process gets at once."""
    patience: int = 200
    """Samples that may fail one after another, each after all its tries, before the run stops: an endpoint that is down
    is not asked for all. A refusal of one sample does not count, since the endpoint is there."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.patience < 1:
            raise SettingsError("limits need batch >= 1 and patience >= 1")


DEFAULT = Limits()


@dataclass(frozen=True)
class _Wanted:
    """One sample that has no answer yet."""

    key: bytes
    item: Item
    sample: int
    seed: int


@dataclass
class _Run:
    """Where one run stands."""

    store: Store
    asked: Asked
    limits: Limits
    sink: Sink
    under_way: set[bytes] = field(default_factory=set)
    done: int = 0
    failed: int = 0
    in_a_row: int = 0
    stop: GnomonError | None = None

    def kept(self, wanted: _Wanted, row: dict[str, object]) -> None:
        """Take an answer."""
        self.store.add(wanted.key, row)
        self.under_way.discard(wanted.key)
        self.in_a_row = 0
        self._one()

    def missed(self, wanted: _Wanted, why: str, *, down: bool = False, fatal: bool = False) -> None:
        """Take down that there is none."""
        self.asked.failed(wanted.key, why)
        self.under_way.discard(wanted.key)
        self.failed += 1
        self.in_a_row = self.in_a_row + 1 if down else 0
        if fatal:
            self.stop = self.stop or EndpointError(why)
        elif self.in_a_row >= self.limits.patience:
            self.stop = self.stop or EndpointError(
                f"{self.in_a_row} samples failed one after another, the last with: {why}; what was answered is kept: "
                "run the same command again when the endpoint answers"
            )
        self._one()

    def _one(self) -> None:
        self.done += 1
        if self.done % TOLD == 0:
            self.tell()

    def tell(self) -> None:
        """Numbers so far."""
        self.sink.number("samples.done", self.done, "samples", self.done)
        self.sink.number("ask/errors", self.failed, "samples", self.done)


def ask(
    *,
    items: Iterable[Item],
    model: Model,
    sampling: Sampling,
    store: Store,
    limits: Limits = DEFAULT,
    sink: Sink = QUIET,
    likelihood: Likelihood = likelihoods,
    executor: Executor | None = None,
) -> Asked:
    """An answer for each item, in their order; what the store holds already is not asked.

    Choices are scored by a model in this process, or offered by letter at an endpoint (`picking`). `executor` asks in
    shards elsewhere, with the same answers.
    """
    state = _Run(store, Asked(store), limits, sink)
    wanted = _wanted(items, naming.origin(model.identity, sampling), sampling.seed, state)
    try:
        if executor is not None:
            from gnomon.evaluation.fanout import spread

            spread(wanted, model, sampling, likelihood, executor, state)
        elif isinstance(model, Endpoint):
            run(_remote(wanted, model, sampling, likelihood, state))
        else:
            _here(wanted, model, sampling, likelihood, state)
    finally:
        store.flush()
        state.tell()
    if state.stop is not None:
        raise state.stop
    return state.asked


def _wanted(items: Iterable[Item], origin: bytes, seed: int, state: _Run) -> Iterator[_Wanted | None]:
    """Samples without an answer, each once; now and then None, so that whoever waits gets a turn."""
    skipped = 0
    for item in items:
        count = naming.samples(item)
        if count < 1:
            raise DataError(f"item '{item.id}': samples is {item.samples}; write at least 1")
        base = naming.base(origin, item)
        if not state.asked.add(item, base):
            continue
        for sample in range(count):
            key = naming.key(base, sample)
            if key in state.under_way or key in state.store:
                skipped += 1
                if skipped % SKIPPED == 0:
                    yield None
            else:
                state.under_way.add(key)
                yield _Wanted(key, item, sample, seeds.stream(seed, "sample", sample) % 2**31)


async def _remote(
    wanted: Iterator[_Wanted | None], model: Endpoint, sampling: Sampling, likelihood: Likelihood, state: _Run
) -> None:
    """One worker for each request that may be under way; all draw from the same iterator, so nothing piles up."""
    loop = asyncio.get_running_loop()
    writing = False

    def write() -> None:
        nonlocal writing
        writing = False
        try:
            state.store.flush()
        except GnomonError as error:
            state.stop = state.stop or error

    async def work(client: Client) -> None:
        nonlocal writing
        for one in wanted:
            if state.stop is not None:
                return
            if one is None:
                await asyncio.sleep(0)
                continue
            if one.item.choices and likelihood is not likelihoods:
                _scored([one], model, likelihood, state)
                continue
            row = await _choice(client, one) if one.item.choices else await _reply(client, one, sampling)
            if isinstance(row, Failure):
                state.missed(one, row.what, down=row.again, fatal=row.fatal)
                continue
            state.kept(one, row)
            if not writing:  # once for all that came in this turn of the loop
                writing = True
                loop.call_soon(write)

    async def until_it_stops(client: Client) -> None:
        try:
            await work(client)
        except GnomonError as error:  # the others finish what they have under way: it is paid for
            state.stop = state.stop or error

    async with Client(model) as client:
        await asyncio.gather(*(until_it_stops(client) for _ in range(model.concurrency)))


async def _reply(client: Client, one: _Wanted, sampling: Sampling) -> dict[str, object] | Failure:
    got = await client.reply(one.item.prompt.messages, sampling, _seed(one))
    return got if isinstance(got, Failure) else _row(one, got.message, (got.tokens_in, got.tokens_out))


async def _choice(client: Client, one: _Wanted) -> dict[str, object] | Failure:
    logprobs = await picked(client, one.item, _seed(one))
    if isinstance(logprobs, Failure):
        return logprobs
    asked = {"prompt": naming.turns(one.item.prompt.messages), "choices": one.item.choices}
    return {**asked, "logprobs": logprobs, "tokens": (), "lettered": True}


def _here(
    wanted: Iterator[_Wanted | None], model: Model, sampling: Sampling, likelihood: Likelihood, state: _Run
) -> None:
    """Batches to a model in this process; a batch is in the store before the next begins."""
    present = (one for one in wanted if one is not None)
    choosing: list[_Wanted] = []
    while batch := list(itertools.islice(present, state.limits.batch)):
        choosing += [one for one in batch if one.item.choices]
        if len(choosing) >= CHOOSING:
            _scored(choosing, model, likelihood, state)
            choosing.clear()
        drawn = [one for one in batch if not one.item.choices]
        for sample in sorted({one.sample for one in drawn}):
            _generated([one for one in drawn if one.sample == sample], model, sampling, state)
            state.store.flush()
    _scored(choosing, model, likelihood, state)


def _generated(batch: Sequence[_Wanted], model: Model, sampling: Sampling, state: _Run) -> None:
    """Samples of one number, so that they share a seed: their streams differ by their prompts."""
    if not batch:
        return
    # What is expected of a reply is no part of what is asked, nor of its random stream.
    prompts = [Transcript(one.item.prompt.messages) for one in batch]
    try:
        replies = model.generate(prompts=prompts, sampling=replace(sampling, seed=batch[0].seed))
    except ModelError as error:
        if len(batch) == 1:
            state.missed(batch[0], f"{type(error).__name__}: {error}")
            return
        for one in batch:  # one prompt that does not fit must not cost the others their answers
            _generated([one], model, sampling, state)
        return
    if len(replies) != len(batch):
        raise ModelError(f"the model gave {len(replies)} replies to {len(batch)} prompts")
    for one, reply in zip(batch, replies, strict=True):
        state.kept(one, _row(one, reply.messages[-1], ()))


def _scored(batch: Sequence[_Wanted], model: Model, likelihood: Likelihood, state: _Run) -> None:
    if not batch:
        return
    found = likelihood(model=model, items=[one.item for one in batch])
    for one in batch:
        answer = found[one.item.id]
        if answer.error:
            state.missed(one, answer.error)
        else:
            asked = {"prompt": naming.turns(one.item.prompt.messages), "choices": one.item.choices}
            state.kept(one, {**asked, "logprobs": answer.logprobs, "tokens": answer.tokens})


def _seed(one: _Wanted) -> int:
    """Of one request: prompts that share a seed at an endpoint would share their draws."""
    return seeds.stream(one.seed, one.key.hex()) % 2**31


def _row(one: _Wanted, reply: Message, tokens: tuple[int, ...]) -> dict[str, object]:
    """What the store keeps: enough to read without the suite."""
    prompt, (said,) = naming.turns(one.item.prompt.messages), naming.turns([reply])
    return {"prompt": prompt, "sample": one.sample, "reply": said, "tokens": tokens}
