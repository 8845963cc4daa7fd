"""Tokenised examples of offline training, from rows of text.

It reads no files (`data` does) and makes no tensors (`batches` does).
Units: token ids.
Fails: closed; an example with an empty or doubled completion raises DataError that names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gnomon.core.canonical import digest, from_builtins
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
        return digest([self.prompt, self.completions])


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
    """A row of a `pairs` record."""

    case: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    why: str = ""


def preference_examples(rows: Sequence[Mapping[str, Json]], model: Encoder) -> list[Example]:
    """Pairs as tokens; rows are those of `pairs.make`: {case, prompt: messages, chosen, rejected}."""
    pairs = [from_builtins(row, _Pair, where=f"pair {index}") for index, row in enumerate(rows)]
    return [_example(index, p, (p.chosen, p.rejected), model) for index, p in enumerate(pairs)]


def demonstration_examples(rows: Sequence[Mapping[str, Json]], model: Encoder) -> list[Example]:
    """The chosen replies of pairs as demonstrations, each prompt and reply once."""
    pairs = [from_builtins(row, _Pair, where=f"pair {index}") for index, row in enumerate(rows)]
    made = (_example(index, p, (p.chosen,), model) for index, p in enumerate(pairs))
    return list({example.content: example for example in made}.values())


def _example(index: int, pair: _Pair, texts: tuple[str, ...], model: Encoder) -> Example:
    tokenizer = model.tokenizer
    if any(not text.strip() for text in texts):
        raise DataError(f"pair {index} ({pair.case}): a reply is empty; drop the pair or write a reply")
    if len(set(texts)) < len(texts):
        raise DataError(f"pair {index} ({pair.case}): chosen and rejected are the same; there is nothing to learn")
    ends = (tokenizer.eos_token_id,)
    return Example(
        id=f"{pair.case}#{index}",
        prompt=tuple(model.encode(Transcript(pair.prompt))),
        completions=tuple((*tokenizer.encode(text, add_special_tokens=False), *ends) for text in texts),
    )
