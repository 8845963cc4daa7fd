"""Kahneman-Tversky optimisation: replies labelled good or bad one by one, without pairs.

With h = log pi/pi_ref(reply) and z0 = max(0, mean_B log pi/pi_ref(another reply behind the same prompt)), held fixed:
L = mean_B [w_D sigma(beta (z0 - h)) of a desirable, w_U sigma(beta (h - z0)) of an undesirable reply].
z0 stands for KL(pi || pi_ref): a reply must gain on what replies gain in general. No gradient flows through it.
Source: Ethayarajh et al. 2402.01306 eq. 7 without its constant; weights: eq. 8.
Shapes: `B` replies. Units: 1 (a share of lambda). Fails: z0 is the mean of one batch: too noisy below about 8 replies.
If the labels are out of balance, weigh them so that w_D n_D / (w_U n_U) lies in [1, 4/3].
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import LabelledBatch
from gnomon.training.losses._terms import Specimen


@dataclass(frozen=True, kw_only=True)
class KTO:
    """Kahneman-Tversky optimisation."""

    READS: ClassVar[type[LabelledBatch]] = LabelledBatch
    NEEDS_REFERENCE: ClassVar[bool] = True

    beta: float = 0.1
    """How strongly the policy is held to the reference: how soon a gain stops to count."""
    desirable_weight: float = 1.0
    """What a desirable reply weighs."""
    undesirable_weight: float = 1.0
    """What an undesirable reply weighs."""

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise SettingsError(f"loss 'kto': beta must be above 0, not {self.beta}; write for example beta: 0.1")
        for name, weight in (("desirable", self.desirable_weight), ("undesirable", self.undesirable_weight)):
            if not weight >= 0:
                raise SettingsError(f"loss 'kto': {name}_weight must not be negative, but is {weight}")

    def __call__(self, *, batch: LabelledBatch) -> LossOut:
        ratio_B = batch.logp_B - batch.reference_B
        kl = (batch.mismatched_logp_B - batch.mismatched_reference_B).mean().detach().clamp(min=0)
        good_B = batch.desirable_B > 0.5
        weight_B = torch.full_like(ratio_B, self.undesirable_weight).masked_fill(good_B, self.desirable_weight)
        gain_B = torch.where(good_B, ratio_B - kl, kl - ratio_B)
        loss = (weight_B * torch.sigmoid(-self.beta * gain_B)).mean()
        metrics = {"kl": kl.item(), "accuracy": (gain_B > 0).to(ratio_B).mean().item()}
        # A batch may hold one kind only; a mean over none would be NaN.
        for name, of_B in (("desirable", good_B), ("undesirable", ~good_B)):
            if of_B.any():
                metrics[f"{name}_reward"] = self.beta * ratio_B[of_B].detach().mean().item()
                metrics[f"{name}_logp"] = batch.logp_B[of_B].detach().mean().item()
        if good_B.any() and not good_B.all():
            metrics["margin"] = metrics["desirable_reward"] - metrics["undesirable_reward"]
        return LossOut(loss, metrics)


_BATCH = {
    "logp_B": (-3.0, -8.0),
    "reference_B": (-3.0, -8.0),
    "mismatched_logp_B": (-9.0, -9.0),
    "mismatched_reference_B": (-9.0, -9.0),
    "desirable_B": (1.0, 0.0),
}
SPECIMENS = (
    Specimen(
        why="policy = reference: half of each weight, (3/2 + 1/2) / 2",
        batch=_BATCH,
        loss=1.0,
        settings={"desirable_weight": 3.0},
    ),
    Specimen(
        why="h = log 3 against z0 = 0: 1/4 of the good, 3/4 of the bad",
        batch={**_BATCH, "logp_B": (-3.0 + math.log(3), -8.0 + math.log(3))},
        loss=0.5,
        settings={"beta": 1.0},
    ),
    Specimen(
        why="mismatched gains of -5 and -1 have a mean below 0: z0 = 0, sigma(-log 3) = 1/4 and sigma(0) = 1/2",
        batch={**_BATCH, "logp_B": (-3.0 + math.log(3), -8.0), "mismatched_logp_B": (-14.0, -10.0)},
        loss=0.375,
        settings={"beta": 1.0},
    ),
    Specimen(
        why="z0 = log 3: without a gain of its own a good reply costs 3/4, a bad one 1/4",
        batch={**_BATCH, "mismatched_logp_B": (-9.0, -9.0 + 2 * math.log(3))},
        loss=1.25,
        settings={"beta": 1.0, "desirable_weight": 3.0},
    ),
)
