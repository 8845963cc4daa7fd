"""Who gets the credit: from judged rollouts to the advantage of every token, with norms and divergence accounted for.

In this order: overlong penalty; what breaking earned is hidden; divergence; advantages; norms. It runs no model.
Source: divergence in the reward: Ouyang et al. 2203.02155, section 3.5 (token by token); Ahmadian et al. 2402.14740
(by reply). Departs: with a critic and a Lagrangian, a cost's advantage is relative to the batch; no critic of costs.
Shapes: `B` rollouts, `K` completion tokens of all of them, end to end; float64 on the CPU. Units: those of the reward.
Fails: with what `advantages` raises.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.training import advantages, norms
from gnomon.training.batches import Advantage
from gnomon.training.gather import Pair, Progress
from gnomon.training.online_schedule import Online, overlong

ESTIMATES: dict[Advantage, Callable[[Tensor, Tensor], Tensor]] = {
    "group_relative": advantages.group_relative,
    "group_centred": advantages.group_centred,
    "leave_one_out": advantages.leave_one_out,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Credit:
    """What every token is worth."""

    advantage_K: Tensor
    return_K: Tensor | None = None
    """What the critic is fitted to; None without one."""


def assign(
    pairs: Sequence[Pair],
    *,
    estimate: Advantage,
    settings: Online,
    progress: Progress,
    divergence_K: Tensor | None = None,
    value_K: Tensor | None = None,
) -> Credit:
    """Credit for the tokens of these rollouts, in order.

    `divergence_K` is log(policy / reference), read if `progress.kl` is above 0; `value_K` the critic's, for `gae`.
    """
    count_B = torch.tensor([len(r.ids) for r, _ in pairs])
    owner_K = torch.repeat_interleave(torch.arange(len(pairs)), count_B)
    group_B = torch.tensor([r.group for r, _ in pairs])
    broken_B = torch.tensor([bool(j.breaches) for _, j in pairs])
    reward_B = _column([_earned(pair, settings) for pair in pairs])
    if settings.norms != "lagrangian":
        reward_B = norms.unpriced(reward_B, group_B, broken_B)
    penalty_K = _column([0.0] * len(owner_K))
    if divergence_K is not None and progress.kl:
        penalty_K = progress.kl * divergence_K.to(penalty_K)
    return_K = None
    if value_K is not None:
        reward_K = -penalty_K
        reward_K[count_B.cumsum(0) - 1] += reward_B
        advantage_K, return_K = advantages.gae(
            reward_K, value_K.to(reward_K), owner_K, gamma=settings.gamma, lam=settings.lam
        )
        advantage_K = advantages.whiten(advantage_K) if settings.whiten else advantage_K
    else:
        reward_B = reward_B.index_add(0, owner_K, -penalty_K)
        advantage_K = ESTIMATES[estimate](reward_B, group_B)[owner_K]
    if settings.norms != "lagrangian":
        return Credit(advantage_K=norms.mask(advantage_K, broken_B[owner_K]), return_K=return_K)
    harm_B = _column([j.harm for _, j in pairs])
    estimated, among_B = ESTIMATES.get(estimate), group_B
    if estimated is None:
        estimated, among_B = advantages.group_relative, torch.zeros_like(group_B)
    cost_K = estimated(harm_B, among_B)[owner_K]
    return Credit(advantage_K=norms.combine(advantage_K, cost_K, progress.multiplier.value), return_K=return_K)


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _earned(pair: Pair, settings: Online) -> float:
    rollout, judged = pair
    return (judged.reward or 0.0) + overlong(len(rollout.ids), limit=settings.max_new_tokens, soft=settings.overlong)
