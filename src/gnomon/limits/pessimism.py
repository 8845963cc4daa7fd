"""Less trust in a proxy: ensembles, chi-squared pessimism over N samples, and the proxy point to stop at.

It draws no samples from a model, trains nothing, and promises no gold: errors that all members share survive an
ensemble, and pessimism over samples bounds how much more often than the reference a reply is chosen, not what it is.
Source: Coste et al. 2310.02743 (ensembles, formulas in `core/aggregates`); Huang et al. 2503.21878
(inference-time pessimism); Moskovitz et al. 2310.04373 (proxy points).
Departs: rejection passes over the N samples in random order, and what it falls back on is one of them.
Shapes: `N` samples of one case; `P` points, `C` cases. Units: beta in those of the proxy.
Fails: closed; a proxy that is not finite, or a gold that never fell, is a DataError.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.core import seeds
from gnomon.core.aggregates import mean, uncertainty_weighted, worst_case
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.types import Estimate
from gnomon.limits.compare import Curve

__all__ = ["Draw", "inference_time", "mean", "proxy_point", "sample", "threshold", "uncertainty_weighted", "worst_case"]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One reply of inference-time pessimism."""

    index: int
    """Which of the N samples."""
    accepted: bool
    """False where every sample was rejected, and one was taken as the reference would."""


def threshold(proxy_N: Sequence[float], beta: float) -> float:
    """Lambda with mean_N relu((proxy - lambda) / beta) = 1, exact; samples at or below it are never chosen.

    With the k largest above lambda, their sum less k lambda is N beta; k is the largest for which that is consistent.

    >>> threshold([0.0, 1.0], 0.5), threshold([0.0, 1.0], 0.25)
    (0.0, 0.5)
    """
    down_N = np.sort(np.asarray(proxy_N, dtype=float))[::-1]
    if not len(down_N) or not np.isfinite(down_N).all():
        raise DataError("pessimism needs at least one sample, and only finite proxy values; leave unscored samples out")
    if not beta > 0:
        raise SettingsError(f"beta is {beta}; write a number above 0: small follows the proxy, large the reference")
    # Relative to the best: proxies far from 0 keep their digits.
    below_N = down_N - down_N[0]
    lambda_N = (np.cumsum(below_N) - len(down_N) * beta) / np.arange(1, len(down_N) + 1)
    return float(lambda_N[np.flatnonzero(below_N > lambda_N)[-1]] + down_N[0])


def inference_time(proxy_N: Sequence[float], beta: float) -> NDArray[np.float64]:
    """Probability of each sample under pi ~ pi_ref relu((proxy - lambda) / beta), with the N samples as pi_ref.

    It is the maximum of E[proxy] - beta/2 chi2(pi, pi_ref). Small beta takes the best sample, large beta any.

    >>> inference_time([0.0, 1.0], 0.5).tolist(), inference_time([0.0, 1.0], 0.25).tolist()
    ([0.0, 1.0], [0.0, 1.0])
    >>> inference_time([0.0, 1.0], 1.0).tolist()
    [0.25, 0.75]
    """
    excess_N = np.maximum(np.asarray(proxy_N, dtype=float) - threshold(proxy_N, beta), 0.0)
    weights_N: NDArray[np.float64] = excess_N / excess_N.sum()
    return weights_N


def sample(proxy_N: Sequence[float], beta: float, *, seed: int, bound: float | None = None) -> Draw:
    """One reply by rejection: a sample is accepted with probability w/M; w = (proxy - lambda)/beta, M is w of `bound`.

    `bound` is the largest proxy that there is; without it the largest of these N. A larger one rejects more often.
    """
    limit, lowest = max(proxy_N) if bound is None else bound, threshold(proxy_N, beta)
    if max(proxy_N) > limit:
        raise DataError(f"a proxy of {max(proxy_N):g} lies above the bound {limit:g}; write the largest there can be")
    draws = seeds.generator(seed, "inference-time pessimism")
    order = draws.sample(range(len(proxy_N)), len(proxy_N))
    for index in order:
        if draws.random() * (limit - lowest) < proxy_N[index] - lowest:
            return Draw(index=index, accepted=True)
    return Draw(index=order[0], accepted=False)


def proxy_point(curve: Curve, *, confidence: float = 0.95, draws: int = 2000, seed: int = 0) -> Estimate:
    """Value of a component's proxy (positions of the curve) at the point measured where its gold is highest.

    Constrain the component to it instead of weighing it. The interval holds the peaks of families drawn again; it can
    only name points that were measured, and the method says where it reaches the last of them.
    """
    x_P = np.asarray(curve.x_P, dtype=float)
    gold_PC = np.asarray(curve.gold_PC, dtype=float)
    if np.isnan(gold_PC).any():
        raise DataError("a proxy point needs every case at every point: other cases would move the peak")
    peak, last = int(gold_PC.mean(axis=1).argmax()), float(x_P.max())
    if x_P[peak] == last:
        raise DataError(
            f"gold is highest at the largest proxy measured, {last:g}: measure further, or do not constrain"
        )
    names, family_C = np.unique(np.asarray(curve.clusters_C, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise DataError("one family of cases gives no interval to a proxy point; name at least two")
    member_CF = np.eye(len(names))[family_C]
    drawn = np.random.default_rng(seeds.stream(seed, "proxy point")).integers(0, len(names), size=(draws, len(names)))
    # How often each family was drawn; a drawn mean is a sum of families over the cases that they hold.
    times_DF = np.stack([np.bincount(row, minlength=len(names)) for row in drawn]).astype(float)
    mean_DP = (times_DF @ (gold_PC @ member_CF).T) / (times_DF @ member_CF.sum(axis=0))[:, None]
    peaks_D = x_P[mean_DP.argmax(axis=1)]
    low, high = np.quantile(peaks_D, [(1 - confidence) / 2, (1 + confidence) / 2])
    method = f"highest mean gold of {len(x_P)} points; cluster bootstrap, {len(names)} clusters, {draws} draws"
    if high >= last:
        method += "; the interval reaches the last point measured, the peak may lie beyond"
    value = float(x_P[peak])
    return Estimate(
        value=value,
        low=min(float(low), value),
        high=max(float(high), value),
        n=len(curve.clusters_C),
        unit="proxy",
        method=method,
        confidence=confidence,
    )
