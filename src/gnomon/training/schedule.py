"""Which examples stand in which step and row, and how fast each step learns. Pure functions of settings and seed.

It touches no tensors and no files.
Units: lengths in tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, overload

from gnomon.core import seeds
from gnomon.core.errors import SettingsError
from gnomon.models.packing import packed_length
from gnomon.training.examples import Example

T = TypeVar("T")


class Rate(Protocol):
    """How fast a run learns: a part of every loop's settings."""

    @property
    def learning_rate(self) -> float:
        """The highest rate."""
        ...

    @property
    def warmup(self) -> float:
        """Share of the steps in which it rises from 0."""
        ...

    @property
    def decay(self) -> Literal["constant", "linear"]:
        """What follows."""
        ...


WINDOW = 8
"""Batches that are shuffled together and sorted by length, so that one batch's lengths are alike."""


@dataclass(frozen=True, kw_only=True)
class Offline:
    """Settings of the offline loop."""

    epochs: int = 1
    steps: int | None = None
    """Stop after so many steps, if that is earlier."""
    batch: int = 16
    """Examples a step, as many as the method wants: memory is bounded by `row_tokens`, not by the batch."""
    row_tokens: int = 4096
    """Most tokens in one packed row, and so at one time in memory. A batch that needs more is computed row by row, with
    the gradient of the whole batch; an example is never split."""
    recompute: bool = False
    """Keep only each layer's input and compute the rest again in the backward pass: less memory, more time."""
    precision: Literal["float32", "bfloat16"] | None = None
    """What full weights compute in; exact ones are kept in float32 beside 16 bits. None: as the model was loaded."""
    learning_rate: float = 1e-4
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    decay: Literal["constant", "linear"] = "linear"
    """After the warm-up: stay, or fall towards 0 at the end."""
    clip: float = 1.0
    """Longest gradient that is not shortened."""
    weight_decay: float = 0.0
    every: int = 10
    """Steps between checkpoints; the last step always has one."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "row_tokens", "learning_rate", "clip", "every"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"training: {name} must be above 0, not {getattr(self, name)}")
        if self.steps is not None and self.steps < 1:
            raise SettingsError(f"training: steps must be at least 1, or left out for whole epochs, not {self.steps}")
        if not 0 <= self.warmup <= 1:
            raise SettingsError(f"training: warmup is a share of the steps, from 0 to 1, not {self.warmup}")


@dataclass(frozen=True)
class Plan(Sequence[list[Example]]):
    """The batch of every step, taken from the examples when it is asked for: they may lie in a file (`store`)."""

    examples: Sequence[Example]
    steps: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, at: int) -> list[Example]: ...
    @overload
    def __getitem__(self, at: slice) -> "Plan": ...
    def __getitem__(self, at: int | slice) -> "list[Example] | Plan":
        if isinstance(at, slice):
            return Plan(self.examples, self.steps[at])
        return [self.examples[place] for place in self.steps[at]]


def plan(examples: Sequence[Example], settings: Offline) -> Plan:
    """The batch of every step: shuffled anew in each epoch, alike in length inside a batch."""
    lengths = [_tokens(example) for example in examples]
    steps: list[list[int]] = []
    for epoch in range(settings.epochs):
        draw = seeds.generator(settings.seed, "batches", epoch)
        order = draw.sample(range(len(lengths)), len(lengths))
        cut: list[list[int]] = []
        for window in _cut(order, settings.batch * WINDOW):
            cut += _cut(sorted(window, key=lengths.__getitem__), settings.batch)
        steps += draw.sample(cut, len(cut))
    return Plan(examples, steps[: settings.steps])


def rows(batch: Sequence[Example], limit: int, least: int = 1) -> list[list[Example]]:
    """Cut a batch into packed rows of at most `limit` tokens; an example that needs more has its own row.

    There are at least `least` rows, so that as many processes have work, unless there are fewer examples.
    """
    cut: list[list[Example]] = []
    size, parts = len(batch), min(least, len(batch))
    for part in range(parts):
        cut.append([])
        for example in batch[part * size // parts : (part + 1) * size // parts]:
            if cut[-1] and packed_length(_sequences([*cut[-1], example])) > limit:
                cut.append([])
            cut[-1].append(example)
    return cut


def learning_rate(step: int, steps: int, settings: Rate) -> float:
    """Rate of a step, counted from 1: linear warm-up, then constant or linear decay; never 0."""
    warm = math.ceil(settings.warmup * steps)
    if step <= warm:
        return settings.learning_rate * step / warm
    left = (steps - step + 1) / (steps - warm) if settings.decay == "linear" else 1.0
    return settings.learning_rate * left


def _cut(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def _sequences(examples: Sequence[Example]) -> list[tuple[int, ...]]:
    return [example.prompt + completion for example in examples for completion in example.completions]


def _tokens(example: Example) -> int:
    return len(example.prompt) + sum(map(len, example.completions))
