"""Unauthorised distillation, the half without training: which questions are asked, what is answered, what it comes to.

An attacker asks a target as its users do, keeps the answers and trains a student on them (`cli.distilling`).
Source: model extraction: Tramer et al. 1609.02943, Krishna et al. 1910.12366; choice of questions far from those chosen
before: k-center, Sener and Savarese 1708.00489. Departs: distance is by n-grams of letters, as no model may be at hand.
Units: tokens are counted as one for each four characters. Fails: open for single answers that could not be had, which
are spent and counted; a target that never answers raises its error.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gnomon.core.canonical import from_builtins, to_builtins
from gnomon.core.errors import BudgetSpent, DataError, EndpointError, SettingsError, choices
from gnomon.core.protocols import Executor, Model, Sampling
from gnomon.core.seeds import generator
from gnomon.core.types import Json, Message, Transcript
from gnomon.redteam.findings import ngrams, overlap

Choose = Literal["random", "spread", "doubt"]
"""Any; each far from those before; those that the student itself is least sure of."""
AT_ONCE = 16
"""Questions that are asked in one batch, and kept together when the program is killed."""
ABOUT = (
    "What should a beginner know about {topic}?",
    "Explain {topic} to a child.",
    "Name three things that matter about {topic}.",
    "What do people often get wrong about {topic}?",
    "Write two sentences about {topic}.",
    "Give me some advice about {topic}.",
    "Why is {topic} important?",
    "How did {topic} begin?",
)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One question and the target's answer."""

    prompt: Transcript
    reply: str
    tokens: int
    error: str = ""
    """Why there is no answer."""


def about(topics: Iterable[str]) -> list[Transcript]:
    """Questions about each topic, for an attacker who has no questions of its own."""
    asked = [form.format(topic=topic.strip()) for topic in topics if topic.strip() for form in ABOUT]
    return [Transcript((Message("user", text),)) for text in asked]


def unique(prompts: Iterable[Transcript]) -> list[Transcript]:
    """Each question once: an answer to one that was asked before is paid for and teaches little."""
    return list({prompt.id: prompt for prompt in prompts}.values())


def ordered(
    prompts: Sequence[Transcript], *, choose: Choose, most: int, seed: int, doubt: Sequence[float] | None = None
) -> list[Transcript]:
    """The first `most` questions to ask, in order: fewer of them are the beginning of more.

    `doubt`: how unsure the student is of each, for the choice of that name; see `doubts`.
    """
    if choose not in get_args(Choose):
        raise SettingsError(f"there is no choice of questions '{choose}'; {choices(choose, get_args(Choose))}")
    order = list(range(len(prompts)))
    generator(seed, "questions").shuffle(order)
    if choose == "spread":
        order = _spread(prompts, order, most)
    elif choose == "doubt":
        if doubt is None or len(doubt) != len(prompts):
            raise SettingsError("the choice 'doubt' needs a student in this process; choose random or spread")
        order.sort(key=lambda i: -doubt[i])
    return [prompts[i] for i in order[:most]]


def _spread(prompts: Sequence[Transcript], order: Sequence[int], most: int) -> list[int]:
    """Greedy k-center: each next one is that whose nearest among those chosen is farthest away."""
    grams = {i: ngrams(prompts[i].request) for i in order}
    near = dict.fromkeys(order, 0.0)
    chosen: list[int] = []
    while near and len(chosen) < most:
        new = min(near, key=lambda i: near[i])
        del near[new]
        chosen.append(new)
        for i, value in near.items():
            near[i] = max(value, overlap(grams[i], grams[new]))
    return chosen


def doubts(student: Any, prompts: Sequence[Transcript], sampling: Sampling) -> list[float]:
    """How unsure a `models.local.LocalModel` is of its own answers: mean -log-probability of a token, in nats."""
    drawn = student.draw([student.encode(p) for p in prompts], [random.Random(0) for _ in prompts], sampling)  # noqa: S311
    return [-sum(d.logp) / max(1, len(d.logp)) for d in drawn]


def collected(
    prompts: Sequence[Transcript],
    *,
    model: Model,
    sampling: Sampling,
    executor: Executor,
    key: Json,
    tokens: int | None = None,
) -> Iterator[Trace]:
    """The target's answer to each question, in order, until it would cost more than `tokens`.

    `key` names whatever the answers depend on beside model, sampling and question. What was answered once is not asked
    again; a killed program loses the answers of one batch.
    """

    def ask(shard: Json) -> Json:
        return to_builtins(_answers(model, [from_builtins(row, Transcript) for row in shard], sampling))

    whole = {
        "task": "distil/ask",
        "model": dict(model.identity),
        "sampling": to_builtins(sampling),
        "key": key,
    }
    shards = [to_builtins(list(prompts[i : i + AT_ONCE])) for i in range(0, len(prompts), AT_ONCE)]
    spent, answered = 0, False
    for result in executor.map(task=ask, shards=shards, key=whole):
        rows = [from_builtins(row, Trace) for row in result.value]
        answered = answered or any(not row.error for row in rows)
        if not answered:
            raise EndpointError(f"{model.identity.get('name', 'the target')} answered nothing: {rows[0].error}")
        for row in rows:
            spent += row.tokens
            if tokens is not None and spent > tokens:
                return
            yield row


def _answers(model: Model, prompts: Sequence[Transcript], sampling: Sampling) -> list[Trace]:
    """The answers of one batch; where it fails as a whole, each question is asked by itself, once."""
    try:
        replies = model.generate(prompts=prompts, sampling=sampling)
    except BudgetSpent:
        raise
    except EndpointError as error:
        if len(prompts) > 1:
            return [trace for prompt in prompts for trace in _answers(model, [prompt], sampling)]
        return [Trace(prompt=prompts[0], reply="", tokens=_tokens(prompts[0], ""), error=str(error))]
    return [Trace(prompt=p, reply=r.reply, tokens=_tokens(p, r.reply)) for p, r in zip(prompts, replies, strict=True)]


def _tokens(prompt: Transcript, reply: str) -> int:
    return (sum(len(m.content) for m in prompt.messages) + len(reply)) // 4


def demonstrations(traces: Iterable[Trace]) -> list[dict[str, Json]]:
    """Rows that training reads; empty answers teach nothing and are left out."""
    return [
        {"case": trace.prompt.id[:12], "prompt": to_builtins(trace.prompt.messages), "chosen": trace.reply}
        for trace in traces
        if trace.reply.strip()
    ]


def agreement(prompt: Transcript, first: str, second: str) -> float:
    """How far two answers agree, 0 to 1: the same choice where the question names `choices`, else shared words (F1).

    >>> agreement(Transcript((), {"choices": ["A", "B"]}), "The answer is A.", "A")
    1.0
    """
    named = prompt.expect.get("choices")
    if named:
        if not isinstance(named, list | tuple) or not all(isinstance(c, str) for c in named):
            raise DataError("expect.choices of a question must be a list of texts")
        a, b = _choice(first, named), _choice(second, named)
        return float(a is not None and a == b)
    one, two = (re.findall(r"\w+", text.lower()) for text in (first, second))
    shared = sum(min(one.count(w), two.count(w)) for w in set(one))
    return 2 * shared / (len(one) + len(two)) if one or two else 1.0


def _choice(text: str, named: Sequence[str]) -> str | None:
    """The choice that an answer names first."""
    places = {c: re.search(rf"(?<!\w){re.escape(c)}(?!\w)", text) for c in named}
    found = {c: place.start() for c, place in places.items() if place}
    return min(found, key=lambda c: found[c]) if found else None
