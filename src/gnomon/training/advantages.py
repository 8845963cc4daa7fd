"""From rewards to advantages: how much better than expected a rollout or a token was.

It judges nothing and knows no norms. A group is the rollouts of one prompt; a group of one, or whose rewards are all
equal, says nothing about its members and gets exact zeros, never NaN. The returns hold no gradient.
Source: GAE: Schulman et al. 1506.02438 eq. 16; group-relative: DeepSeekMath 2402.03300 section 4.1.2; centred only:
Dr. GRPO, Liu et al. 2503.20783; leave-one-out: Ahmadian et al. 2402.14740 (= G/(G-1) x centred).
Departs: the paper does not say which standard deviation; here as in TRL that of a sample (n - 1) plus eps.
Shapes: `B` rollouts; `K` completion tokens of all rollouts, end to end. Units: those of the reward; whitened: none.
Fails: rewards without groups, or tokens of one rollout that do not lie together: SettingsError.
"""

import torch
from torch import Tensor

from gnomon.core.errors import SettingsError


def group_centred(reward_B: Tensor, group_B: Tensor) -> Tensor:
    """Reward minus the mean of its group (Dr. GRPO)."""
    return _centred(reward_B, group_B)[0]


def group_relative(reward_B: Tensor, group_B: Tensor, eps: float = 1e-4) -> Tensor:
    """Reward minus the mean of its group, over the group's standard deviation plus `eps` (GRPO)."""
    centred_B, inverse_B, size_B = _centred(reward_B, group_B)
    squares_B = torch.zeros_like(centred_B).index_add(0, inverse_B, centred_B.square())[inverse_B]
    return centred_B / ((squares_B / (size_B - 1).clamp(min=1)).sqrt() + eps)


def leave_one_out(reward_B: Tensor, group_B: Tensor) -> Tensor:
    """Reward minus the mean of the other rewards of its group (RLOO)."""
    centred_B, _, size_B = _centred(reward_B, group_B)
    return centred_B * size_B / (size_B - 1).clamp(min=1)


def gae(reward_K: Tensor, value_K: Tensor, owner_K: Tensor, *, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantages and what the values should be fitted to, token by token; the value after the end is 0.

    A scan that doubles its reach: after i rounds every token has summed the next 2^i differences of its rollout.
    """
    if torch.unique_consecutive(owner_K).shape != torch.unique(owner_K).shape:
        raise SettingsError("gae: the tokens of a rollout must lie together; order the batch by rollout")
    reward_K, value_K = reward_K.detach(), value_K.detach()
    next_K = torch.cat([torch.where(owner_K[1:] == owner_K[:-1], value_K[1:], 0), value_K.new_zeros(1)])
    advantage_K = reward_K + gamma * next_K - value_K
    reach, weight = 1, gamma * lam
    while reach < len(owner_K) and (same_K := owner_K[reach:] == owner_K[:-reach]).any():
        further_K = torch.where(same_K, weight * advantage_K[reach:], 0)
        advantage_K = advantage_K + torch.cat([further_K, further_K.new_zeros(reach)])
        reach, weight = 2 * reach, weight * weight
    return advantage_K, advantage_K + value_K


def whiten(advantage_K: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all tokens of the batch; all equal: zeros."""
    advantage_K = advantage_K.detach()
    if len(advantage_K) < 2 or bool((advantage_K == advantage_K[0]).all()):
        return torch.zeros_like(advantage_K)
    return (advantage_K - advantage_K.mean()) / (advantage_K.var() + 1e-8).sqrt()


def _centred(reward_B: Tensor, group_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centred rewards, exactly 0 where a group is all equal; index of each rollout's group; size of that group."""
    if len(reward_B) != len(group_B):
        raise SettingsError(
            f"advantages: {len(reward_B)} rewards, but {len(group_B)} groups; give each reward its group"
        )
    reward_B = reward_B.detach()
    _, inverse_B = torch.unique(group_B, return_inverse=True)
    zero_B = torch.zeros_like(reward_B)
    size_B = zero_B.index_add(0, inverse_B, torch.ones_like(reward_B))[inverse_B]
    mean_B = zero_B.index_add(0, inverse_B, reward_B)[inverse_B] / size_B
    low_B, high_B = (zero_B.scatter_reduce(0, inverse_B, reward_B, how, include_self=False) for how in ("amin", "amax"))
    return torch.where((low_B == high_B)[inverse_B], 0, reward_B - mean_B), inverse_B, size_B
