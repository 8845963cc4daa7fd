"""Best-of-n without drawing it: the whole curve for n = 1..N from one set of N samples a case, and its divergence.

It draws no samples and fits no curve.
Source: Nakano et al. 2112.09332 (unbiased estimator); Beirami et al. 2401.01879 (bound and tight estimator of the KL).
Departs: samples with equal proxy share their weights, so the result does not depend on the order they came in.
Shapes: N samples of one case. Units: divergences in nats.
Fails: closed; n outside 1..N, or lists of unequal length, raise DataError.
"""

import math
from collections.abc import Sequence
from itertools import groupby

from gnomon.core.errors import DataError


def weights(proxy: Sequence[float], n: int) -> list[float]:
    """Probability that each of N samples is the best by `proxy` among n drawn without replacement.

    Rank k from below (1..N) has weight C(k-1, n-1) / C(N, n); ties share the weight of their ranks.

    >>> weights([0.3, 0.1, 0.2], 2)
    [0.6666666666666666, 0.0, 0.3333333333333333]
    """
    total = len(proxy)
    if not 1 <= n <= total:
        raise DataError(f"best of {n} from {total} samples; write an n between 1 and {total}")
    if not all(math.isfinite(p) for p in proxy):
        raise DataError("a proxy value is not a finite number; leave unscored samples out before ranking")
    order = sorted(range(total), key=lambda i: proxy[i])
    share = [0.0] * total
    rank = 0
    for _, group in groupby(order, key=lambda i: proxy[i]):
        tied = list(group)
        ranks = range(rank + 1, rank + len(tied) + 1)
        rank += len(tied)
        mass = sum(math.comb(k - 1, n - 1) for k in ranks) / math.comb(total, n)
        for index in tied:
            share[index] = mass / len(tied)
    return share


def expected(proxy: Sequence[float], values: Sequence[float], n: int) -> float:
    """Unbiased estimate of E[value of the best of n by proxy]; `values` may be the proxy, a gold or breach flags.

    >>> expected([1.0, 2.0], [0.0, 1.0], 2)
    1.0
    """
    if len(proxy) != len(values):
        raise DataError(f"{len(proxy)} proxy values and {len(values)} others; give one of each to every sample")
    return math.fsum(w * v for w, v in zip(weights(proxy, n), values, strict=True))


def grid(total: int) -> list[int]:
    """Powers of two up to `total`, and `total` itself.

    >>> grid(12)
    [1, 2, 4, 8, 12]
    """
    return sorted({2**i for i in range(total.bit_length()) if 2**i <= total} | {total}) if total else []


def kl_bound(n: int) -> float:
    """Upper bound log n - (n-1)/n on KL(best of n ‖ start), nats. Not an equality: few distinct replies make it loose.

    >>> round(kl_bound(64), 3)
    3.175
    """
    return math.log(n) - (n - 1) / n


def kl_term(log_p: float, n: int) -> float:
    """The tight estimator for one reply y drawn by best-of-n, given log p(y) under the start; nats.

    (1-e)^n [log n + (n-1) log(1-e) - (n-1)/n] + (1-(1-e)^n) log((1-(1-e)^n)/e) with e = p(y).
    """
    if log_p > 0 or math.isnan(log_p):
        raise DataError(f"{log_p} is not the logarithm of a probability; it must be at most 0")
    if log_p == 0:
        return 0.0
    rest = math.log1p(-math.exp(log_p))
    none = math.exp(n * rest)
    # -log e is unbounded for long replies, so (1-(1-e)^n)/e is taken in logarithms; its limit for e -> 0 is n.
    some = -math.expm1(n * rest)
    ratio = math.log(some) - log_p if some > 0 else math.log(n)
    return none * (math.log(n) + (n - 1) * rest - (n - 1) / n) + some * ratio


def kl_tight(log_p: Sequence[float], proxy: Sequence[float], n: int) -> float:
    """The tight estimator averaged over the best-of-n weights of N samples with known log-probabilities, nats."""
    return expected(proxy, [kl_term(p, n) for p in log_p], n)


def kl_exact(probabilities: Sequence[float], n: int) -> float:
    """KL(best of n ‖ start) over a finite set of replies, listed from worst to best reward without ties; nats.

    >>> round(kl_exact([0.01] * 100, 64), 3)
    3.158
    """
    below, total = 0.0, 0.0
    for p in probabilities:
        above = below + p
        chosen = min(above, 1.0) ** n - below**n
        total += chosen * math.log(chosen / p) if chosen > 0 else 0.0
        below = above
    return total
