"""What losses read: a few vectors, never tokens or logits, so that a loss is a pure function. It runs no model.

Offline batches hold one number a completion; online ones lay the completion tokens of all rollouts end to end, so that
there is no padding that could count. Every batch says what the loop must compute for it:
COMPLETIONS an example, HEAD (outputs of a scalar head; 0: log-probabilities), GRADIENT (fields that carry gradient).
Shapes: `B` examples or rollouts, `C` completions of each example, `K` completion tokens of all rollouts.
Units: log-probabilities in nats, summed over a completion's tokens where the shape is `B`; counts in tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor

from gnomon.core.protocols import LossOut

Advantage = Literal["group_relative", "group_centred", "leave_one_out", "gae"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreferenceBatch:
    """Chosen and rejected completions of `B` prompts under the policy (with gradient) and the reference."""

    COMPLETIONS: ClassVar[int] = 2
    HEAD: ClassVar[int] = 0
    GRADIENT: ClassVar[tuple[str, ...]] = ("chosen_logp_B", "rejected_logp_B")

    chosen_logp_B: Tensor
    rejected_logp_B: Tensor
    chosen_reference_B: Tensor
    rejected_reference_B: Tensor
    chosen_count_B: Tensor
    rejected_count_B: Tensor

    @classmethod
    def of(cls, *, output_BC: Tensor, reference_BC: Tensor, count_BC: Tensor, label_B: Tensor) -> Self:
        """Column 0 is chosen, column 1 rejected; labels are not read."""
        return cls(
            chosen_logp_B=output_BC[:, 0],
            rejected_logp_B=output_BC[:, 1],
            chosen_reference_B=reference_BC[:, 0],
            rejected_reference_B=reference_BC[:, 1],
            chosen_count_B=count_BC[:, 0],
            rejected_count_B=count_BC[:, 1],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DemonstrationBatch:
    """One completion of each of `B` prompts under the policy (with gradient) and the reference."""

    COMPLETIONS: ClassVar[int] = 1
    HEAD: ClassVar[int] = 0
    GRADIENT: ClassVar[tuple[str, ...]] = ("logp_B",)

    logp_B: Tensor
    reference_B: Tensor
    count_B: Tensor

    @classmethod
    def of(cls, *, output_BC: Tensor, reference_BC: Tensor, count_BC: Tensor, label_B: Tensor) -> Self:
        """The only column; labels are not read."""
        return cls(logp_B=output_BC[:, 0], reference_B=reference_BC[:, 0], count_B=count_BC[:, 0])


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledBatch:
    """Unpaired replies with a label, and beside each a reply to another prompt, from which a KL is estimated."""

    COMPLETIONS: ClassVar[int] = 2
    HEAD: ClassVar[int] = 0
    GRADIENT: ClassVar[tuple[str, ...]] = ("logp_B",)

    logp_B: Tensor
    reference_B: Tensor
    mismatched_logp_B: Tensor
    """Of another example's reply behind this prompt; no gradient is taken through it."""
    mismatched_reference_B: Tensor
    desirable_B: Tensor
    """1 for a desirable, 0 for an undesirable reply."""

    @classmethod
    def of(cls, *, output_BC: Tensor, reference_BC: Tensor, count_BC: Tensor, label_B: Tensor) -> Self:
        """Column 0 is the reply, column 1 the mismatched one."""
        return cls(
            logp_B=output_BC[:, 0],
            reference_B=reference_BC[:, 0],
            mismatched_logp_B=output_BC[:, 1].detach(),
            mismatched_reference_B=reference_BC[:, 1],
            desirable_B=label_B,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardBatch:
    """Scalar rewards of chosen and rejected completions of `B` prompts, with gradient."""

    COMPLETIONS: ClassVar[int] = 2
    HEAD: ClassVar[int] = 1
    GRADIENT: ClassVar[tuple[str, ...]] = ("chosen_reward_B", "rejected_reward_B")

    chosen_reward_B: Tensor
    rejected_reward_B: Tensor
    margin_B: Tensor
    """By how much chosen is said to be better; 0 where nothing is said."""

    @classmethod
    def of(cls, *, output_BC: Tensor, reference_BC: Tensor, count_BC: Tensor, label_B: Tensor) -> Self:
        """Outputs are `B` x 2 x 1; the label is the margin."""
        return cls(chosen_reward_B=output_BC[:, 0, 0], rejected_reward_B=output_BC[:, 1, 0], margin_B=label_B)


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianRewardBatch:
    """Mean and log-variance of the reward of chosen and rejected completions, with gradient."""

    COMPLETIONS: ClassVar[int] = 2
    HEAD: ClassVar[int] = 2
    GRADIENT: ClassVar[tuple[str, ...]] = (
        "chosen_mean_B",
        "rejected_mean_B",
        "chosen_log_variance_B",
        "rejected_log_variance_B",
    )

    chosen_mean_B: Tensor
    rejected_mean_B: Tensor
    chosen_log_variance_B: Tensor
    rejected_log_variance_B: Tensor

    @classmethod
    def of(cls, *, output_BC: Tensor, reference_BC: Tensor, count_BC: Tensor, label_B: Tensor) -> Self:
        """Outputs are `B` x 2 x 2: mean and log-variance; labels are not read."""
        return cls(
            chosen_mean_B=output_BC[:, 0, 0],
            rejected_mean_B=output_BC[:, 1, 0],
            chosen_log_variance_B=output_BC[:, 0, 1],
            rejected_log_variance_B=output_BC[:, 1, 1],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RolloutBatch:
    """Sampled completions, token by token, end to end."""

    HEAD: ClassVar[int] = 0
    GRADIENT: ClassVar[tuple[str, ...]] = ("logp_K",)

    logp_K: Tensor
    """Log-probability of each token under the policy."""
    old_logp_K: Tensor
    """Under the weights that sampled it, as the trainer computes it."""
    sampler_logp_K: Tensor
    """Under the same weights, as the sampler's own program said; differs if that rounds otherwise."""
    reference_K: Tensor
    """Under the reference; NaN if the loss needs none."""
    advantage_K: Tensor
    """The same for all tokens of a rollout, unless a critic gave it."""
    owner_K: Tensor
    """Rollout of each token, 0 to B - 1 (int64)."""
    limit_B: Tensor
    """Most tokens that the rollout could have had."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ActorCriticBatch:
    """Sampled completions, token by token, end to end, with a critic's values."""

    HEAD: ClassVar[int] = 1
    GRADIENT: ClassVar[tuple[str, ...]] = ("logp_K", "value_K")

    logp_K: Tensor
    old_logp_K: Tensor
    sampler_logp_K: Tensor
    reference_K: Tensor
    advantage_K: Tensor
    owner_K: Tensor
    limit_B: Tensor
    value_K: Tensor
    """The critic's value before each token."""
    old_value_K: Tensor
    """The same under the weights that sampled."""
    return_K: Tensor
    """What the value is fitted to."""


class OfflineLoss(Protocol):
    """A loss of fixed examples: it says which batch it reads and whether it needs a reference.

    Without a reference, the batch's reference log-probabilities are NaN, so that a loss which reads them is found out.
    """

    @property
    def READS(self) -> type[Any]:
        """The batch: PreferenceBatch, DemonstrationBatch, LabelledBatch, RewardBatch or GaussianRewardBatch."""
        ...

    @property
    def NEEDS_REFERENCE(self) -> bool:
        """Whether it reads the reference's log-probabilities."""
        ...

    def __call__(self, *, batch: Any) -> LossOut:
        """Loss of one batch."""
        ...


class OnlineLoss(Protocol):
    """A loss of sampled completions: it also names its advantages and what its paper sets in the loop."""

    @property
    def READS(self) -> type[Any]:
        """RolloutBatch or ActorCriticBatch."""
        ...

    @property
    def NEEDS_REFERENCE(self) -> bool:
        """Whether it reads the reference's log-probabilities."""
        ...

    @property
    def ADVANTAGE(self) -> Advantage:
        """How rewards become advantages (`advantages`)."""
        ...

    @property
    def RECIPE(self) -> Mapping[str, Any]:
        """Settings of the online loop that the paper states and that differ from its defaults."""
        ...

    def __call__(self, *, batch: Any) -> LossOut:
        """Loss of one batch."""
        ...


def columns(batch: type[Any], values: Mapping[str, Sequence[float]], *, dtype: torch.dtype = torch.float64) -> Any:
    """A batch from plain numbers, with gradient where the batch says so: for specimens and tests."""
    made = {}
    for field in fields(batch):
        kind = torch.int64 if field.name == "owner_K" else dtype
        made[field.name] = torch.tensor(values[field.name], dtype=kind)
        made[field.name].requires_grad_(field.name in batch.GRADIENT)
    return batch(**made)
