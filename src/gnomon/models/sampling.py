"""Picking the next token of each row from its logits, with its log-probability: greedy, temperature, nucleus.

Each row has its own stream and uses exactly one uniform number a step, so what a row draws does not depend on the
rows beside it, nor on whether they have finished. It applies no repetition penalty.
Source: inverse transform sampling; nucleus sampling, arXiv:1904.09751 section 3.1.
Shapes: B rows, V vocabulary.
"""

import random
from collections import Counter
from collections.abc import Sequence

import torch

from gnomon.core import seeds
from gnomon.core.protocols import Sampling

FIRST_CANDIDATES = 256
"""Nucleus sampling sorts this many tokens first, and more only if they hold too little mass."""


def streams(ids: Sequence[str], *, seed: int) -> list[random.Random]:
    """A generator for each row, named by its transcript's id and by how often that id came before."""
    seen: Counter[str] = Counter()
    made = []
    for name in ids:
        made.append(seeds.generator(seed, name, seen[name]))
        seen[name] += 1
    return made


def pick(logits_BV: torch.Tensor, rows: Sequence[random.Random], sampling: Sampling) -> tuple[list[int], list[float]]:
    """One token a row, and its log-probability among those that could be drawn (greedy: as at temperature 1)."""
    # bfloat16 argmax is several times slower on a CPU than the copy to float32.
    logits_BV = logits_BV.float()
    if sampling.temperature <= 0:
        largest_B, token_B = logits_BV.max(-1)
        return token_B.tolist(), (largest_B - logits_BV.logsumexp(-1)).tolist()
    uniform_B1 = torch.tensor([[r.random()] for r in rows], dtype=torch.float32, device=logits_BV.device)
    p_BK, ids_BK = (logits_BV / sampling.temperature).softmax(-1), None
    if sampling.top_p < 1:
        p_BK, ids_BK = _nucleus(p_BK, sampling.top_p)
    at_B1 = _inverse(p_BK, uniform_B1)
    logp_B1 = (p_BK.gather(-1, at_B1) / p_BK.sum(-1, keepdim=True)).log()
    token_B1 = at_B1 if ids_BK is None else ids_BK.gather(-1, at_B1)
    return token_B1[:, 0].tolist(), logp_B1[:, 0].tolist()


def _inverse(p_BV: torch.Tensor, uniform_B1: torch.Tensor) -> torch.Tensor:
    cumulative_BV = p_BV.cumsum(-1)
    total_B1 = cumulative_BV[:, -1:]
    # Strictly below the total, or rounding could pick a token of probability zero behind it.
    target_B1 = torch.minimum(uniform_B1 * total_B1, torch.nextafter(total_B1, torch.zeros_like(total_B1)))
    # Behind the end only where the sums are not numbers.
    return torch.searchsorted(cumulative_BV, target_B1, right=True).clamp(max=p_BV.shape[-1] - 1)


def _nucleus(p_BV: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    count = min(FIRST_CANDIDATES, p_BV.shape[-1])
    while True:
        p_BK, ids_BK = p_BV.topk(count, dim=-1)
        if count == p_BV.shape[-1] or bool((p_BK.sum(-1) >= top_p).all()):
            break
        count = min(4 * count, p_BV.shape[-1])
    before_BK = p_BK.cumsum(-1) - p_BK
    return p_BK * (before_BK < top_p), ids_BK
