"""Random rollouts for the tests of online losses, as plain lists, and as the batch that a loss reads."""

import math
from dataclasses import dataclass

import torch
from hypothesis import strategies as st

from gnomon.training.batches import RolloutBatch, columns

LIMIT = 7.0


@dataclass
class Token:
    """One token: ratios to the policy that sampled it, and its log-probability."""

    ratio: float
    logp: float
    sampler: float  # trainer / sampler's own program
    k3: float  # of policy and reference


@dataclass
class Rollout:
    advantage: float
    tokens: list[Token]

    @property
    def whole(self):
        return math.prod(t.ratio for t in self.tokens)


numbers = st.floats(-1.2, 1.2)
token = st.tuples(st.floats(-4, -0.1), numbers, st.floats(-0.9, 0.9), numbers)  # logp, to old, to sampler, to reference
rollouts = st.lists(
    st.tuples(st.floats(-3, 3), st.lists(token, min_size=1, max_size=5)), min_size=1, max_size=4
)  # advantage, tokens


def read(rows):
    """The rows as rollouts of tokens."""
    return [
        Rollout(
            advantage,
            [
                Token(math.exp(-old), logp, math.exp(sampler), math.exp(reference) - reference - 1)
                for logp, old, sampler, reference in tokens
            ],
        )
        for advantage, tokens in rows
    ]


def batch(rows, kind=RolloutBatch, **further):
    """The rows as a loss reads them: their gaps are to old, from old to the sampler, and to the reference."""
    flat = [(b, advantage, *t) for b, (advantage, tokens) in enumerate(rows) for t in tokens]
    values = {
        "logp_K": [logp for _, _, logp, *_ in flat],
        "old_logp_K": [logp + old for _, _, logp, old, _, _ in flat],
        "sampler_logp_K": [logp + old - sampler for _, _, logp, old, sampler, _ in flat],
        "reference_K": [logp + reference for _, _, logp, _, _, reference in flat],
        "advantage_K": [advantage for _, advantage, *_ in flat],
        "owner_K": [b for b, *_ in flat],
        "limit_B": [LIMIT] * len(rows),
    }
    return columns(kind, values | further)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def clipped(ratio, advantage, low, high):
    return -min(ratio * advantage, min(max(ratio, 1 - low), 1 + high) * advantage)


def pushes(loss, made):
    """What each token's gradient is per unit of its advantage, times the tokens of the batch: the rivals' weight."""
    (gradient,) = torch.autograd.grad(loss(batch=made).loss, made.logp_K)
    return (-gradient / made.advantage_K * len(made.owner_K)).tolist()


def one(ratio, advantage, tokens=1):
    """A single rollout whose tokens all have the same ratio."""
    return batch([(advantage, [(-1.0, -math.log(ratio), 0.0, 0.0)] * tokens)])
