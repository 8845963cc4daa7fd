"""Settings of the online loop, and what follows from them alone: which prompts, which mini-batches, which rate.

It touches no tensors, samples nothing and judges nothing.
Source: staleness N as in VESPO, 2602.10693: the mini-batches that one batch of rollouts is cut into.
Units: lengths in tokens; KL in nats a reply.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from gnomon.core import seeds
from gnomon.core.errors import SettingsError
from gnomon.training.collapse import Limits
from gnomon.training.norms import Lagrangian
from gnomon.training.parameters import Precision

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Online:
    """Settings of the online loop; a loss's RECIPE names those that its paper sets otherwise."""

    steps: int = 100
    """Optimiser steps in all."""
    prompts: int = 8
    """Prompts of one batch of rollouts."""
    group: int = 8
    """Rollouts of each prompt."""
    staleness: int = 1
    """Mini-batches, one step each, that a batch of rollouts is cut into: the last sees rollouts N - 1 steps old."""
    passes: int = 1
    """Times that each batch of rollouts is gone through."""
    max_new_tokens: int = 64
    """Tokens after which a rollout is cut."""
    temperature: float = 1.0
    """Of sampling, and of every log-probability in the loop."""
    learning_rate: float = 1e-5
    warmup: float = 0.0
    """Share of the steps in which the learning rate rises from 0."""
    decay: Literal["constant", "linear"] = "constant"
    """After the warm-up: stay, or fall towards 0 at the end."""
    clip: float = 1.0
    """Longest gradient that is not shortened."""
    weight_decay: float = 0.0
    kl: float = 0.0
    """Penalty on log(policy / reference) in the reward: a token's with a critic, else a reply's; 0: none.
    A penalty inside the loss is the loss's own `beta`."""
    kl_target: float | None = None
    """Adapt `kl` so that the divergence comes to this many nats a reply (Ziegler et al. 1909.08593, section 2.2)."""
    measure_kl: bool = False
    """Report the divergence even if nothing needs it, at the price of one forward pass over the rollouts."""
    dynamic_sampling: int = 0
    """Rounds of further prompts, at most, in place of groups whose rewards are all equal (DAPO); 0: keep them."""
    overlong: int = 0
    """Tokens before `max_new_tokens` over which a penalty grows from 0 to 1 (DAPO, eq. 13); 0: none."""
    whiten: bool = True
    """Whether a critic's advantages are brought to mean 0 and variance 1 over the batch of rollouts."""
    gamma: float = 1.0
    """Discount a token; read only with a critic."""
    lam: float = 0.95
    """Decay of generalised advantage estimation; read only with a critic."""
    norms: Literal["mask", "latch", "lagrangian"] = "mask"
    """What becomes of rollouts that break a norm; `latch` is the mask, and their prompts are not sampled again."""
    lagrangian: Lagrangian = field(default_factory=Lagrangian)
    """Read only if `norms` is lagrangian."""
    limits: Limits = field(default_factory=Limits)
    """What counts as a collapse."""
    row_tokens: int = 4096
    """Most tokens in one packed row, and so at one time in memory while training."""
    recompute: bool = False
    """Keep only each layer's input and compute the rest again in the backward pass: less memory, more time."""
    precision: Precision | None = None
    """What full weights compute and sample in; exact ones are kept in float32 beside 16 bits. None: as loaded."""
    every: int = 10
    """Steps between checkpoints, rounded up to the end of a batch of rollouts; the last step always has one."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "prompts", "group", "staleness", "passes", "max_new_tokens", "row_tokens", "every"):
            if getattr(self, name) < 1:
                raise SettingsError(f"online training: {name} must be at least 1, not {getattr(self, name)}")
        for name in ("temperature", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"online training: {name} must be above 0, not {getattr(self, name)}")
        for name in ("warmup", "gamma", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"online training: {name} must be from 0 to 1, not {getattr(self, name)}")
        for name in ("kl", "weight_decay", "dynamic_sampling", "overlong"):
            if getattr(self, name) < 0:
                raise SettingsError(f"online training: {name} must not be negative, but is {getattr(self, name)}")
        if self.staleness > self.prompts * self.group:
            raise SettingsError(
                f"online training: {self.prompts} x {self.group} rollouts cannot be cut into {self.staleness} "
                "mini-batches; raise prompts or group, or lower staleness"
            )
        if self.overlong > self.max_new_tokens:
            raise SettingsError(
                f"online training: overlong ({self.overlong}) must be at most max_new_tokens ({self.max_new_tokens})"
            )
        if self.kl_target is not None and not (self.kl_target > 0 and self.kl > 0):
            raise SettingsError("online training: kl_target needs to be above 0, and kl too, the coefficient to adapt")


def choose(count: int, wanted: int, *, cursor: int, seed: int, suspended: Mapping[int, str]) -> tuple[list[int], int]:
    """Indices of the next prompts, and the new cursor: every epoch in its own order, suspended prompts passed over.

    Fewer than `wanted` if fewer are left unsuspended; none comes twice.
    """
    chosen: list[int] = []
    wanted = min(wanted, count - len(suspended))
    while len(chosen) < wanted:
        epoch, place = divmod(cursor, count)
        index = _order(count, seed, epoch)[place]
        if index not in suspended and index not in chosen:
            chosen.append(index)
        cursor += 1
    return chosen, cursor


@functools.lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    return seeds.generator(seed, "prompts", epoch).sample(range(count), count)


def cut(items: Sequence[T], parts: int) -> list[list[T]]:
    """Contiguous parts that differ by at most one in length; fewer if there are fewer items.

    >>> cut([1, 2, 3, 4, 5], 2)
    [[1, 2], [3, 4, 5]]
    """
    parts = min(parts, len(items))
    edges = [len(items) * i // parts for i in range(parts + 1)] if parts else [0]
    return [list(items[a:b]) for a, b in itertools.pairwise(edges)]


def overlong(length: int, *, limit: int, soft: int) -> float:
    """DAPO's soft penalty: 0 up to limit - soft tokens, falling to -1 at the limit.

    >>> overlong(90, limit=100, soft=20), overlong(100, limit=100, soft=20), overlong(100, limit=100, soft=0)
    (-0.5, -1.0, 0.0)
    """
    return -max(0.0, (length - (limit - soft)) / soft) if soft else 0.0


def adapted(kl: float, *, measured: float, target: float | None) -> float:
    """The next penalty: moved by at most 2 % towards the one that holds the target (Ziegler et al., K = 0.1)."""
    return kl if target is None else kl * (1 + 0.1 * min(0.2, max(-0.2, measured / target - 1)))
