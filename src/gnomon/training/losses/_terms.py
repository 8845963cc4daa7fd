"""Pieces that several losses share. Pure functions of vectors; no settings of their own.

Shapes: `B` examples. Units: nats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gnomon.core.types import Json
from gnomon.training.batches import PreferenceBatch


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """A batch whose loss is known in closed form."""

    why: str
    """The formula, worked out."""
    batch: Mapping[str, Sequence[float]]
    loss: float
    settings: Mapping[str, Json] = field(default_factory=dict)


def rewards(batch: PreferenceBatch, beta: float) -> tuple[Tensor, Tensor]:
    """Implicit rewards beta log(policy / reference) of chosen and rejected, each `B`."""
    chosen_B = beta * (batch.chosen_logp_B - batch.chosen_reference_B)
    rejected_B = beta * (batch.rejected_logp_B - batch.rejected_reference_B)
    return chosen_B, rejected_B


def smoothed_logistic(margin_B: Tensor, smoothing: float) -> Tensor:
    """-(1 - e) log sigma(m) - e log sigma(-m): the logistic loss if a share e of the labels is wrong."""
    return -(1 - smoothing) * logsigmoid(margin_B) - smoothing * logsigmoid(-margin_B)


def preference_metrics(chosen_B: Tensor, rejected_B: Tensor) -> dict[str, float]:
    """What every method with pairs reports of its rewards, learned or implicit."""
    with torch.no_grad():
        return {
            "margin": (chosen_B - rejected_B).mean().item(),
            "accuracy": (chosen_B > rejected_B).to(chosen_B.dtype).mean().item(),
            "chosen_reward": chosen_B.mean().item(),
            "rejected_reward": rejected_B.mean().item(),
        }


def logp_metrics(batch: PreferenceBatch) -> dict[str, float]:
    """How likely the policy makes whole replies: both often fall while the margin grows."""
    return {
        "chosen_logp": batch.chosen_logp_B.detach().mean().item(),
        "rejected_logp": batch.rejected_logp_B.detach().mean().item(),
    }
