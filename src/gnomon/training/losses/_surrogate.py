"""Pieces that several online losses share. Pure functions of a batch's vectors; no settings of their own.

Log-ratios are clamped to +-20 (as in verl), beyond which no gradient passes, so that no exponential overflows.
Source: clip: Schulman et al. 1707.06347 eq. 7; k1, k3: Schulman, "Approximating KL Divergence" (2020); truncated
importance sampling between sampler and trainer: Yao et al., "Your Efficient RL Framework Secretly Brings You
Off-Policy RL Training" (2025). Fails: an empty batch is an error of torch or NaN; the loop sends none.
Shapes: `K` completion tokens of all rollouts, `B` rollouts. Units: nats, or those of the advantages.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gnomon.core.errors import SettingsError
from gnomon.training.batches import ActorCriticBatch, RolloutBatch

Online = RolloutBatch | ActorCriticBatch
FURTHEST = 20.0
CAP = 2.0
"""Where the correction for the sampler's rounding is cut, as Yao et al. and verl have it."""


def log_ratio(batch: Online) -> Tensor:
    """log(policy / policy that sampled), as the trainer computes both, `K`."""
    return (batch.logp_K - batch.old_logp_K).clamp(-FURTHEST, FURTHEST)


def sampler_log_ratio(batch: Online) -> Tensor:
    """log(trainer / sampler's own program) of the weights that sampled, `K`; 0 where both agree."""
    return (batch.old_logp_K - batch.sampler_logp_K).detach().clamp(-FURTHEST, FURTHEST)


def correction(batch: Online, cap: float) -> Tensor:
    """trainer / sampler of each token, cut at `cap`: a weight without gradient; 1 where both agree."""
    return sampler_log_ratio(batch).exp().clamp(max=cap)


def clipped(ratio: Tensor, advantage: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """-min(r A, clip(r, 1 - low, 1 + high) A), and where the clip has stopped the gradient."""
    loss = -torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)
    stopped = ((ratio > 1 + high) & (advantage > 0)) | ((ratio < 1 - low) & (advantage < 0))
    return loss, stopped


def penalty(batch: Online, beta: float) -> Tensor:
    """beta k3 of policy and reference, `K`; the reference is not read if beta is 0."""
    if beta == 0:
        return torch.zeros_like(batch.logp_K)
    gap_K = (batch.reference_K - batch.logp_K).clamp(-FURTHEST, FURTHEST)
    return beta * (torch.expm1(gap_K) - gap_K)


def total(value_K: Tensor, batch: Online) -> Tensor:
    """Sum over the tokens of each rollout, `B`."""
    return value_K.new_zeros(len(batch.limit_B)).index_add(0, batch.owner_K, value_K)


def mean(value_K: Tensor, batch: Online) -> Tensor:
    """Mean over the tokens of each rollout, `B`; 0 for a rollout without any."""
    return total(value_K, batch) / total(torch.ones_like(value_K), batch).clamp(min=1)


def token_mean(value_K: Tensor, batch: Online) -> Tensor:
    """Every token weighs the same, so long rollouts weigh more."""
    return value_K.sum() / len(batch.owner_K)


def rollout_mean(value_K: Tensor, batch: Online) -> Tensor:
    """Every rollout weighs the same, so a token of a long one weighs less."""
    return mean(value_K, batch).mean()


def limit_mean(value_K: Tensor, batch: Online) -> Tensor:
    """Sum over the most tokens that the rollouts could have had: no length changes a token's weight."""
    return value_K.sum() / batch.limit_B.sum()


def movement(batch: Online, *, reference: bool) -> dict[str, float]:
    """How far the policy is from what sampled, from the sampler's program and from the reference: means over tokens."""
    with torch.no_grad():
        log_ratio_K, sampler_K = log_ratio(batch), sampler_log_ratio(batch)
        numbers = {
            "ratio_max": log_ratio_K.max().exp(),
            "old_k1": -log_ratio_K.mean(),
            "old_k3": (torch.expm1(log_ratio_K) - log_ratio_K).mean(),
            "sampler_k3": (torch.expm1(sampler_K) - sampler_K).mean(),
        }
        if reference:
            numbers["reference_k1"] = (batch.logp_K - batch.reference_K).mean()
            numbers["reference_k3"] = penalty(batch, 1.0).mean()
        return dict(zip(numbers, torch.stack(list(numbers.values())).tolist(), strict=True))


def share(which: Tensor) -> float:
    """Share of true entries."""
    return which.to(torch.float32).mean().item()


def check(name: str, **settings: float) -> None:
    """Refuse settings below 0 or not a number, with the name of the loss; a `clip_low` above 1; a cap below 1."""
    for key, value in settings.items():
        low, high = (1.0 if key == "mismatch_cap" else 0.0), (1.0 if key == "clip_low" else math.inf)
        if not low <= value <= high:
            raise SettingsError(f"loss '{name}': {key} must be from {low:g} to {high:g}, not {value}")


def rollouts(
    ratios: Sequence[Sequence[float]], advantages: Sequence[float], *, sampler: float = 1.0, reference: float = 1.0
) -> Mapping[str, Sequence[float]]:
    """Columns of a specimen: the ratio pi / pi_old of each token, and trainer / sampler and reference / pi_old of all.

    Every token had the log-probability -1 when it was sampled; every rollout could have had four.
    """
    owner_K = [b for b, ratios_T in enumerate(ratios) for _ in ratios_T]
    return {
        "logp_K": [math.log(ratio) - 1 for ratios_T in ratios for ratio in ratios_T],
        "old_logp_K": [-1.0] * len(owner_K),
        "sampler_logp_K": [-1.0 - math.log(sampler)] * len(owner_K),
        "reference_K": [-1.0 + math.log(reference)] * len(owner_K),
        "advantage_K": [advantages[b] for b in owner_K],
        "owner_K": owner_K,
        "limit_B": [4.0] * len(ratios),
    }
