"""A reward model that states its doubt: each reply's reward is a Gaussian, and pairs are compared under both.

The difference s of two rewards is N(d, v), d = mu_w - mu_l, v = var_w + var_l. L = mean_B -log P(w over l) with
P = E[sigma(s)] ~ sigma(d / sqrt(1 + pi v / 8)) (logistic; off by at most 0.02), P = Phi(d / sqrt(1 + v)) (probit).
Source: Sun et al. 2503.22480 (the likelihood; they sample it); a Gaussian head as in SpatialScore 2602.24233;
MacKay, "The evidence framework applied to classification networks", 1992; Thurstone 1927 for the probit.
Departs: -log E[sigma(s)], not E[-log sigma(s)]: the latter is convex in s, so doubt could only cost and would vanish.
Shapes: `B` pairs. Units: log-odds (logistic) or unit normal deviates (probit) of being preferred.
Fails: pairs alone do not fix the scale of the variances (2605.11865): they rank doubt, they do not measure it.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn.functional import logsigmoid, softplus

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import LossOut
from gnomon.training.batches import GaussianRewardBatch
from gnomon.training.losses._terms import Specimen, preference_metrics


@dataclass(frozen=True, kw_only=True)
class GaussianReward:
    """Reward model with a Gaussian head."""

    READS: ClassVar[type[GaussianRewardBatch]] = GaussianRewardBatch
    NEEDS_REFERENCE: ClassVar[bool] = False

    link: Literal["logistic", "probit"] = "logistic"
    """How a sampled difference of rewards becomes a preference: by Bradley-Terry, or by Thurstone's normal noise."""
    centring: float = 0.0
    """Weight of the squared sum of a pair's means, which fixes the zero of the reward."""

    def __post_init__(self) -> None:
        if not self.centring >= 0:
            raise SettingsError(f"loss 'gaussian_reward': centring must not be negative, but is {self.centring}")

    def __call__(self, *, batch: GaussianRewardBatch) -> LossOut:
        chosen_B, rejected_B = batch.chosen_mean_B, batch.rejected_mean_B
        log_variance_B = torch.logaddexp(batch.chosen_log_variance_B, batch.rejected_log_variance_B)
        probit = self.link == "probit"
        # 1 / sqrt(1 + a v) from log v, so that no variance, however extreme, overflows.
        shrink_B = torch.exp(-0.5 * softplus(log_variance_B + (0.0 if probit else math.log(math.pi / 8))))
        scaled_B = (chosen_B - rejected_B) * shrink_B
        logp_B = torch.special.log_ndtr(scaled_B) if probit else logsigmoid(scaled_B)
        loss = -logp_B.mean()
        if self.centring:
            loss = loss + self.centring * (chosen_B + rejected_B).square().mean()
        metrics = {
            "deviation": (0.5 * log_variance_B).exp().detach().mean().item(),
            "confidence": logp_B.detach().exp().mean().item(),
        }
        return LossOut(loss, {**preference_metrics(chosen_B, rejected_B), **metrics})


_BATCH = {
    "chosen_mean_B": (2.0, -1.0),
    "rejected_mean_B": (2.0, -1.0),
    "chosen_log_variance_B": (0.0, 3.0),
    "rejected_log_variance_B": (1.0, -5.0),
}
_DOUBT = math.log(12 / math.pi)
SPECIMENS = (
    Specimen(why="equal means: log 2, whatever the doubt", batch=_BATCH, loss=math.log(2)),
    Specimen(why="the same for the probit", batch=_BATCH, loss=math.log(2), settings={"link": "probit"}),
    Specimen(
        why="v = 24/pi halves the difference 2 log 3: -log(3/4)",
        batch={
            "chosen_mean_B": (2 * math.log(3),),
            "rejected_mean_B": (0.0,),
            "chosen_log_variance_B": (_DOUBT,),
            "rejected_log_variance_B": (_DOUBT,),
        },
        loss=math.log(4 / 3),
    ),
    Specimen(
        why="v = 3 halves the difference 2: -log Phi(1)",
        batch={
            "chosen_mean_B": (3.0,),
            "rejected_mean_B": (1.0,),
            "chosen_log_variance_B": (math.log(2),),
            "rejected_log_variance_B": (0.0,),
        },
        loss=-math.log(0.5 * math.erfc(-1 / math.sqrt(2))),
        settings={"link": "probit"},
    ),
    Specimen(
        why="no doubt at all: Bradley-Terry, log(4/3), and centring 0.1 (log 3)^2",
        batch={
            "chosen_mean_B": (math.log(3),),
            "rejected_mean_B": (0.0,),
            "chosen_log_variance_B": (-90.0,),
            "rejected_log_variance_B": (-90.0,),
        },
        loss=math.log(4 / 3) + 0.1 * math.log(3) ** 2,
        settings={"centring": 0.1},
    ),
)
