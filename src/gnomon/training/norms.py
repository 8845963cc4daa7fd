"""Norms in training: a norm never enters the reward, so no reward can buy a breach.

Mask: what a broken rollout earned is not looked at (`unpriced`), and it is never reinforced (`mask`).
Latch: besides, its prompt is not sampled again until a person releases it: trying until one passes launders a breach.
Lagrangian: holds the mean cost at a limit, not each reply; its multiplier is capped, so it has a price.
None of them sees what the detector misses, and none makes a breach impossible: the guard does that at run time.
Source: the Lagrangian: Safe RLHF, Dai et al. 2310.12773, and the settings of its released code.
Departs: no critic for the cost; its advantage comes from the same estimator as the reward's.
Shapes: `B` rollouts. Units: costs as the judge gives them; 0 lies on the border if they are signed.
Fails: closed; a rollout whose norm could not be judged counts as broken (`judged`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gnomon.core.errors import SettingsError


def mask(advantage: Tensor, broken: Tensor) -> Tensor:
    """min(A, 0) where a norm broke, `B` or `K`: pushed down or left alone, never up."""
    return torch.where(broken, advantage.clamp(max=0.0), advantage)


def unpriced(reward_B: Tensor, group_B: Tensor, broken_B: Tensor) -> Tensor:
    """The rewards with those of broken rollouts replaced by the lowest that a kept one of their group earned.

    A baseline or spread over a group would otherwise carry the price of the breach into the others' advantages.
    0 for all of a group in which none was kept: there is nothing to compare them with.
    """
    groups = int(group_B.max()) + 1 if len(group_B) else 0
    kept_B = reward_B.masked_fill(broken_B, math.inf)
    lowest_G = reward_B.new_full((groups,), math.inf).scatter_reduce(0, group_B, kept_B, "amin")
    return torch.where(broken_B, lowest_G.masked_fill(lowest_G.isinf(), 0.0)[group_B], reward_B)


@dataclass(frozen=True, kw_only=True)
class Lagrangian:
    """Settings of the multiplier."""

    limit: float = 0.0
    """Mean cost that is allowed. Where costs are 0 or 1, it is a share of breaches; 0 then means always at `most`."""
    start: float = 1.0
    """Multiplier at the start."""
    rate: float = 0.1
    """Learning rate of its logarithm."""
    most: float = 5.0
    """Largest multiplier."""
    window: int = 128
    """Last rollouts whose mean cost counts."""

    def __post_init__(self) -> None:
        if not (0 < self.start <= self.most and self.rate > 0 and self.window >= 1):
            raise SettingsError("lagrangian: write 0 < start <= most, rate > 0 and window >= 1")


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """Where the multiplier stands."""

    log: float
    costs: tuple[float, ...] = ()
    """Of the last rollouts, oldest first."""

    @property
    def value(self) -> float:
        """The multiplier itself."""
        return math.exp(self.log)


def begin(settings: Lagrangian) -> Multiplier:
    """The multiplier before the first rollout."""
    return Multiplier(log=math.log(settings.start))


def update(multiplier: Multiplier, costs: Sequence[float], settings: Lagrangian) -> Multiplier:
    """One step of gradient descent on -(mean cost - limit) exp(log), capped."""
    window = (*multiplier.costs, *costs)[-settings.window :]
    if not window:
        return multiplier
    excess = sum(window) / len(window) - settings.limit
    log = min(multiplier.log + settings.rate * excess * multiplier.value, math.log(settings.most))
    return Multiplier(log=log, costs=window)


def combine(reward_advantage: Tensor, cost_advantage: Tensor, multiplier: float) -> Tensor:
    """(A_R - lambda A_C) / (1 + lambda): the division keeps the step as long as without a constraint."""
    return (reward_advantage - multiplier * cost_advantage) / (1 + multiplier)


@dataclass(frozen=True, kw_only=True)
class Latch:
    """Prompts that are suspended, each with the norms that broke."""

    suspended: Mapping[str, str] = field(default_factory=dict)

    def trip(self, broken: Mapping[str, str]) -> "Latch":
        """With these prompts suspended as well; the first reason stays."""
        return replace(self, suspended={**broken, **self.suspended})

    def release(self, prompts: Sequence[str]) -> "Latch":
        """Without these; a prompt that is not suspended stays as it is."""
        return replace(self, suspended={p: why for p, why in self.suspended.items() if p not in prompts})
