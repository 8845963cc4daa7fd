"""Tokenised examples of offline training, from rows of text.

It reads no files (`data` does) and makes no tensors (`batches` does).
Units: token ids.
Fails: closed; an empty or doubled reply, or a margin or label of another kind, raises DataError that names its row.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from gnomon.core.canonical import from_builtins, sha256
from gnomon.core.errors import DataError
from gnomon.core.types import Json, Message, Transcript


@dataclass(frozen=True, kw_only=True)
class Example:
    """A prompt and the completions that are compared, as token ids; a completion ends with the end token."""

    id: str
    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    label: float = 0.0
    """What else the data say of it: the margin of a pair, 1 for a desirable and 0 for an undesirable reply."""

    @property
    def content(self) -> str:
        """Digest of the tokens; the id does not count."""
        # The canonical JSON of whole numbers, as `canonical.digest` makes it in a hundred times the time.
        return sha256(msgspec.json.encode([self.prompt, self.completions]))


class Encoder(Protocol):
    """The part of a local model that turns text into tokens."""

    @property
    def tokenizer(self) -> Any:
        """A transformers tokenizer."""
        ...

    def encode(self, transcript: Transcript, add_generation_prompt: bool = True) -> list[int]:
        """Tokens of a conversation, up to where the reply begins."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A row with a better and a worse reply."""

    case: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    why: str = ""
    margin: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Demonstration:
    """A row with a reply to imitate; a worse one beside it is not read."""

    case: str
    prompt: tuple[Message, ...]
    chosen: str


@dataclass(frozen=True, kw_only=True)
class _Reply:
    """A row with one reply, and whether it is desirable."""

    prompt: tuple[Message, ...]
    completion: str
    label: bool
    case: str = "row"


def preference_examples(rows: Sequence[Mapping[str, Json]], model: Encoder) -> list[Example]:
    """Pairs as tokens: {case, prompt: messages, chosen, rejected}, and by choice how much better: `margin`."""
    return [
        Example(
            id=f"{pair.case}#{index}",
            prompt=_prompt(pair.prompt, model),
            completions=(_completion(pair.chosen, model), _completion(pair.rejected, model)),
            label=pair.margin,
        )
        for index, pair in enumerate(_pair(i, row) for i, row in enumerate(rows))
    ]


def demonstration_examples(rows: Sequence[Mapping[str, Json]], model: Encoder) -> list[Example]:
    """Chosen replies as demonstrations, {case, prompt: messages, chosen}, each prompt and reply once."""
    made: dict[str, Example] = {}
    for index, row in enumerate(rows):
        shown = from_builtins(row, _Demonstration, where=f"row {index}")
        if not shown.chosen.strip():
            raise DataError(f"row {index} ({shown.case}): the reply is empty; drop the row or write a reply")
        example = Example(
            id=f"{shown.case}#{index}",
            prompt=_prompt(shown.prompt, model),
            completions=(_completion(shown.chosen, model),),
        )
        made.setdefault(example.content, example)
    return list(made.values())


def labelled_examples(rows: Sequence[Mapping[str, Json]], model: Encoder) -> list[Example]:
    """Replies with a label as tokens: {prompt: messages, completion, label: true or false}, or both replies of a pair.

    The second completion is the next example's (the first's, after the last) that was written for another prompt.
    """
    replies = [reply for index, row in enumerate(rows) for reply in _replies(index, row)]
    prompts = [_prompt(reply.prompt, model) for reply in replies]
    completions = [_completion(reply.completion, model) for reply in replies]
    if replies and len(set(prompts)) < 2:
        raise DataError(
            f"{len(replies)} labelled replies to 1 prompt: add rows, at least two prompts are needed, "
            "because what replies gain in general is measured on replies to other prompts"
        )
    return [
        Example(
            id=f"{reply.case}#{index}",
            prompt=prompts[index],
            completions=(completions[index], completions[other]),
            label=float(reply.label),
        )
        for index, (reply, other) in enumerate(zip(replies, _others(prompts), strict=True))
    ]


def _pair(index: int, row: Mapping[str, Json]) -> _Pair:
    pair = from_builtins(row, _Pair, where=f"pair {index}")
    where = f"pair {index} ({pair.case})"
    if not (pair.chosen.strip() and pair.rejected.strip()):
        raise DataError(f"{where}: a reply is empty; drop the pair or write a reply")
    if pair.chosen == pair.rejected:
        raise DataError(f"{where}: chosen and rejected are the same; there is nothing to learn")
    if not math.isfinite(pair.margin):
        raise DataError(f"{where}: the margin is {pair.margin}; write a number, or leave it out")
    return pair


def _replies(index: int, row: Mapping[str, Json]) -> Iterator[_Reply]:
    if "chosen" in row:
        pair = _pair(index, row)
        yield _Reply(case=pair.case, prompt=pair.prompt, completion=pair.chosen, label=True)
        yield _Reply(case=pair.case, prompt=pair.prompt, completion=pair.rejected, label=False)
        return
    reply = from_builtins(row, _Reply, where=f"row {index}")
    if not reply.completion.strip():
        raise DataError(f"row {index} ({reply.case}): the completion is empty; drop the row or write a reply")
    yield reply


def _others(prompts: Sequence[tuple[int, ...]]) -> list[int]:
    """For each prompt the place of the next, around the end, that differs from it."""
    size = len(prompts)
    found = [0] * size
    # Backwards and twice around: where the next one is equal, what follows it has already been found.
    for place in reversed(range(2 * size)):
        index, after = place % size, (place + 1) % size
        found[index] = after if prompts[after] != prompts[index] else found[after]
    return found


def _prompt(messages: tuple[Message, ...], model: Encoder) -> tuple[int, ...]:
    return tuple(model.encode(Transcript(messages)))


def _completion(text: str, model: Encoder) -> tuple[int, ...]:
    tokenizer = model.tokenizer
    return (*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id)
