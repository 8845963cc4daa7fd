"""Batched decoding by the fastest engine that serves the model; `engine` says which, and why no faster one does.

Fused (`decode`): one compiled call a token, Llama-like models on a CPU. Shared prefix (`prefix`): prompts that begin
alike are grouped, their common tokens are run for one row, the rest is padded on the left in batches of similar
length. Ordinary: transformers' own `generate`. All draw alike; rows that have finished leave the batch. No beams, no
speculation.
Source: transformers `generate` (greedy output is equal to it, token for token, in float32).
Shapes: B rows, S tokens behind the prefix, V vocabulary.
Units: tokens.
"""

import contextlib
import math
import random
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList

from gnomon.core.errors import ModelError
from gnomon.core.protocols import Sampling
from gnomon.models import decode as fused
from gnomon.models import prefix as shared
from gnomon.models.decode_library import Unfit
from gnomon.models.sampling import pick

HEAD = 32
"""Prompts that agree in this many tokens are treated together."""
SHRINK = 0.75
"""A batch is compacted when at most this share of its rows is still unfinished."""


@dataclass(frozen=True)
class Drawn:
    """What the model said to one prompt."""

    ids: Sequence[int]
    """New tokens without the stop token."""
    stop: int | None
    """The stop token that ended it; None if it was cut at its longest."""
    logp: Sequence[float]
    """Log-probability of each token under the sampler, at its temperature and top_p (greedy: at temperature 1); with
    a stop token one more than `ids`."""


@dataclass(frozen=True)
class Row:
    """One prompt on its way: its place in the answer, its tokens, its stream."""

    place: int
    ids: Sequence[int]
    stream: random.Random


@dataclass(frozen=True)
class Engine:
    """How a model is decoded."""

    name: str
    """"fused", "shared prefix" or "transformers"."""
    reason: str
    """Why no faster one serves it; empty for the fastest."""


def engine(model: Any, *, length: int = 1) -> Engine:
    """The engine for rows of `length` tokens."""
    with _evaluating(model), torch.no_grad():
        try:
            fused.weights(model, length=length)
        except Unfit as why:
            usable = shared.usable(model, length=length)
            return Engine("shared prefix" if usable else "transformers", f"{why}")
    return Engine("fused", "")


@dataclass
class Reply:
    """What a row has said so far."""

    ids: list[int] = field(default_factory=list)
    stop: int | None = None
    logp: list[float] = field(default_factory=list)

    def add(self, token: int, logp: float, stop: Set[int], most: int) -> bool:
        """Take one more token; whether that was the last."""
        if math.isnan(logp):
            raise ModelError("the model's logits are not numbers: its weights have diverged; go back to a checkpoint")
        self.logp.append(logp)
        if token in stop:
            self.stop = token
            return True
        self.ids.append(token)
        return len(self.ids) == most

    def drawn(self) -> Drawn:
        """As the caller gets it."""
        return Drawn(tuple(self.ids), self.stop, tuple(self.logp))


def draw(
    model: Any,
    *,
    prompts: Sequence[Sequence[int]],
    streams: Sequence[random.Random],
    sampling: Sampling,
    stop_tokens: Set[int],
    batch_tokens: int,
) -> list[Drawn]:
    """A reply to each prompt, in order, with the log-probability of each of its tokens."""
    replies = [Reply() for _ in prompts]
    if not prompts or sampling.max_new_tokens < 1:
        return [r.drawn() for r in replies]
    rows = [Row(i, ids, stream) for i, (ids, stream) in enumerate(zip(prompts, streams, strict=True))]
    longest = max(map(len, prompts)) + sampling.max_new_tokens
    with _evaluating(model), torch.no_grad():
        for row, reply in _replies(model, rows, longest, sampling, stop_tokens, batch_tokens):
            replies[row.place] = reply
    return [r.drawn() for r in replies]


def generate(
    model: Any,
    *,
    prompts: Sequence[Sequence[int]],
    streams: Sequence[random.Random],
    sampling: Sampling,
    stop_tokens: Set[int],
    batch_tokens: int,
) -> list[list[int]]:
    """New tokens of each prompt, in order, without the stop token."""
    drawn = draw(
        model,
        prompts=prompts,
        streams=streams,
        sampling=sampling,
        stop_tokens=stop_tokens,
        batch_tokens=batch_tokens,
    )
    return [list(d.ids) for d in drawn]


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows whose first tokens agree."""
    found: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row.ids[:HEAD]), []).append(row)
    return list(found.values())


def common(rows: Sequence[Row]) -> int:
    """Length of the longest common prefix that leaves every row at least one token."""
    first, last = min(list(row.ids) for row in rows), max(list(row.ids) for row in rows)
    most = min(len(row.ids) for row in rows) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def batches(rows: Sequence[Row], *, without: int, new: int, batch_tokens: int) -> list[list[Row]]:
    """As few even parts as fit into `batch_tokens` positions each, of rows of similar length, the longest first."""
    ordered = sorted(rows, key=lambda row: -len(row.ids))
    for count in range(1, len(ordered) + 1):
        size = -(-len(ordered) // count)
        parts = [ordered[i : i + size] for i in range(0, len(ordered), size)]
        if all(len(part) * (len(part[0].ids) - without + new) <= batch_tokens for part in parts):
            return parts
    return [[row] for row in ordered]


Replies = Iterator[tuple[Row, Reply]]


def _replies(
    model: Any, rows: list[Row], longest: int, sampling: Sampling, stop: Set[int], batch_tokens: int
) -> Replies:
    try:
        weights = fused.weights(model, length=longest)
    except Unfit:
        slower = _together if shared.usable(model, length=longest) else _ordinary
        for group in groups(rows):
            yield from slower(model, group, sampling, stop, batch_tokens)
        return
    for part in batches(rows, without=0, new=sampling.max_new_tokens, batch_tokens=batch_tokens):
        yield from zip(part, _fused(weights, part, sampling, stop), strict=True)


def _fused(weights: fused.Weights, part: list[Row], sampling: Sampling, stop: Set[int]) -> list[Reply]:
    replies = [Reply() for _ in part]

    def numbers(at: Sequence[int]) -> list[float]:
        return [part[i].stream.random() for i in at] if sampling.temperature > 0 else []

    at: Sequence[int] = range(len(part))
    session = fused.Session(weights, sampling, [row.ids for row in part], room=sampling.max_new_tokens - 1)
    tokens, logps = session.first(numbers(at))
    while True:
        drawn = zip(at, tokens, logps, strict=True)
        going = [(i, t) for i, t, logp in drawn if not replies[i].add(t, logp, stop, sampling.max_new_tokens)]
        if not going:
            return replies
        at, ids = [i for i, _ in going], [t for _, t in going]
        tokens, logps = session.next(at, ids, numbers(at))


def _together(model: Any, group: list[Row], sampling: Sampling, stop: Set[int], batch_tokens: int) -> Replies:
    length = common(group)
    device = shared.bare(model).device
    with shared.switched_on(model):
        prefix = shared.Prefix()
        if length:
            one = shared.Rows(prefix, length, torch.zeros(1, dtype=torch.long, device=device))
            shared.step(model, torch.tensor([list(group[0].ids[:length])], device=device), one)
            prefix = one.as_prefix()
        for part in batches(group, without=length, new=sampling.max_new_tokens, batch_tokens=batch_tokens):
            yield from zip(part, _decode(model, part, prefix, sampling, stop), strict=True)


def _decode(model: Any, part: list[Row], prefix: shared.Prefix, sampling: Sampling, stop: Set[int]) -> list[Reply]:
    device = shared.bare(model).device
    suffixes = [list(row.ids[prefix.length :]) for row in part]
    width = max(map(len, suffixes))
    pads = [width - len(s) for s in suffixes]
    cache = shared.Rows(prefix, width + sampling.max_new_tokens - 1, torch.tensor(pads, device=device))
    ids_BS = torch.tensor([[s[0]] * pad + s for s, pad in zip(suffixes, pads, strict=True)], device=device)
    replies = [Reply() for _ in part]
    at = list(range(len(part)))  # batch row -> place in `part`
    unfinished = set(at)
    while True:
        tokens, logps = pick(shared.step(model, ids_BS, cache), [part[i].stream for i in at], sampling)
        for i, token, logp in zip(at, tokens, logps, strict=True):
            if i in unfinished and replies[i].add(token, logp, stop, sampling.max_new_tokens):
                unfinished.discard(i)
        if not unfinished:
            return replies
        if len(unfinished) <= SHRINK * len(at):
            keep = [b for b, i in enumerate(at) if i in unfinished]
            cache.keep(torch.tensor(keep, device=device))
            at, tokens = [at[b] for b in keep], [tokens[b] for b in keep]
        ids_BS = torch.tensor(tokens, device=device)[:, None]


def _ordinary(model: Any, group: list[Row], sampling: Sampling, stop: Set[int], batch_tokens: int) -> Replies:
    """Through transformers' `generate`, whatever the model's cache and attention are."""
    device = shared.bare(model).device
    for part in batches(group, without=0, new=sampling.max_new_tokens, batch_tokens=batch_tokens):
        width = max(len(row.ids) for row in part)
        pads = [width - len(row.ids) for row in part]
        ids = torch.tensor([[row.ids[0]] * pad + list(row.ids) for row, pad in zip(part, pads, strict=True)])
        seen = torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
        settings = GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(stop) or None,
            pad_token_id=min(stop, default=0),
        )
        draws = _Draws([row.stream for row in part], sampling)
        model.generate(
            ids.to(device),
            attention_mask=seen.to(device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([draws]),
        )
        for b, row in enumerate(part):
            reply = Reply()
            for tokens, logps in draws.steps:
                if reply.add(tokens[b], logps[b], stop, sampling.max_new_tokens):
                    break
            yield row, reply


@dataclass(frozen=True)
class _Draws:
    """A logits processor that leaves only the drawn token, so that greedy search takes it, and keeps what it drew."""

    rows: Sequence[random.Random]
    sampling: Sampling
    steps: list[tuple[list[int], list[float]]] = field(default_factory=list)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.steps.append(pick(scores, self.rows, self.sampling))
        drawn = torch.tensor(self.steps[-1][0], device=scores.device)
        return torch.full_like(scores, float("-inf")).scatter(-1, drawn[:, None], 0.0)
