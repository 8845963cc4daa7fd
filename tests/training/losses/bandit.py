"""A policy over a handful of actions, fitted to infinite preference data: where theory says what the optimum is."""

import torch

from gnomon.training.batches import PreferenceBatch


def pairs(policy, reference, chosen, rejected):
    """A batch of the given actions (index tensors) as chosen and rejected, from log-probabilities of all actions."""
    one = torch.ones(len(chosen), dtype=policy.dtype)
    return PreferenceBatch(
        chosen_logp_B=policy[chosen],
        rejected_logp_B=policy[rejected],
        chosen_reference_B=reference[chosen],
        rejected_reference_B=reference[rejected],
        chosen_count_B=one,
        rejected_count_B=one,
    )


def expected(loss, theta, reference, share):
    """Loss over pairs weighted by `share[a, b]`: how often a beats b. The policy is pi_ref exp(theta), normalised."""
    policy = (theta + reference).log_softmax(0)
    return sum(
        share[a, b] * loss(batch=pairs(policy, reference, a[None], b[None])).loss
        for a, b in zip(*torch.nonzero(share, as_tuple=True), strict=True)
    )


def fitted(loss, reference, share):
    """Log-probabilities that minimise the expected loss, to many digits; for losses that are smooth."""
    theta = torch.zeros_like(reference, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=400, tolerance_grad=1e-13, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        value = expected(loss, theta, reference, share)
        value.backward()
        return value

    optimizer.step(closure)
    return (theta + reference).log_softmax(0).detach()


def descended(loss, reference, share, *, steps, rate):
    """Log-probabilities after each step of plain gradient descent from the reference."""
    theta = torch.zeros_like(reference, requires_grad=True)
    path = []
    for _ in range(steps):
        (grad,) = torch.autograd.grad(expected(loss, theta, reference, share), theta)
        theta = (theta - rate * grad).detach().requires_grad_(True)
        path.append((theta + reference).log_softmax(0).detach())
    return torch.stack(path)


def bradley_terry(rewards):
    """How often each action beats each other one."""
    return torch.sigmoid(rewards[:, None] - rewards[None, :]).fill_diagonal_(0)
