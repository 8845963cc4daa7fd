"""What losses read, and the tokenised examples that it is made from.

A batch holds log-probabilities, not tokens or logits: a loss is a pure function of a few vectors. It runs no model.
Shapes: `B` examples, `C` completions of each example (2 of a pair: chosen, rejected; 1 of a demonstration).
Units: log-probabilities in nats, summed over a completion's tokens; counts in tokens.
Fails: closed; an example with an empty or doubled completion raises DataError that names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from gnomon.core.canonical import digest, from_builtins
from gnomon.core.errors import DataError
from gnomon.core.protocols import LossOut
from gnomon.core.types import Json, Message, Transcript


@dataclass(frozen=True, kw_only=True)
class Example:
    """A prompt and the completions that are compared, as token ids; a completion ends with the end token."""

    id: str
    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]

    @property
    def content(self) -> str:
        """Digest of the tokens; the id does not count."""
        return digest([self.prompt, self.completions])


@dataclass(frozen=True, kw_only=True, eq=False)
class PreferenceBatch:
    """Chosen and rejected completions of `B` prompts under the policy (with gradient) and the reference."""

    COMPLETIONS: ClassVar[int] = 2

    chosen_logp_B: Tensor
    rejected_logp_B: Tensor
    chosen_reference_B: Tensor
    rejected_reference_B: Tensor
    chosen_count_B: Tensor
    rejected_count_B: Tensor

    @classmethod
    def of(cls, *, logp_BC: Tensor, reference_BC: Tensor, count_BC: Tensor) -> Self:
        """Column 0 is chosen, column 1 rejected."""
        return cls(
            chosen_logp_B=logp_BC[:, 0],
            rejected_logp_B=logp_BC[:, 1],
            chosen_reference_B=reference_BC[:, 0],
            rejected_reference_B=reference_BC[:, 1],
            chosen_count_B=count_BC[:, 0],
            rejected_count_B=count_BC[:, 1],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DemonstrationBatch:
    """One completion of each of `B` prompts under the policy (with gradient) and the reference."""

    COMPLETIONS: ClassVar[int] = 1

    logp_B: Tensor
    reference_B: Tensor
    count_B: Tensor

    @classmethod
    def of(cls, *, logp_BC: Tensor, reference_BC: Tensor, count_BC: Tensor) -> Self:
        """The only column."""
        return cls(logp_B=logp_BC[:, 0], reference_B=reference_BC[:, 0], count_B=count_BC[:, 0])


class OfflineLoss(Protocol):
    """A loss that the offline loop can run: it says which batch it reads and whether it needs a reference.

    Without a reference, the batch's reference log-probabilities are NaN, so that a loss which reads them is found out.
    """

    READS: ClassVar[type[Any]]
    NEEDS_REFERENCE: ClassVar[bool]

    def __call__(self, *, batch: Any) -> LossOut:
        """Loss of one batch."""
        ...


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


def columns(batch: type[Any], values: Mapping[str, Sequence[float]], *, dtype: torch.dtype = torch.float64) -> Any:
    """A batch from plain numbers, log-probabilities of the policy with gradient: for specimens and tests."""
    names = [field.name for field in fields(batch)]
    made = {name: torch.tensor(values[name], dtype=dtype) for name in names}
    for name, tensor in made.items():
        tensor.requires_grad_(name.endswith("logp_B"))
    return batch(**made)
