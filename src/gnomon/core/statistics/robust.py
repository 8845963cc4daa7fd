"""The mean of clustered values, its cluster-robust variance and degrees of freedom, for many data sets at once.

It names no method and makes no Estimate (`clustered` does). A cluster of size 0 is padding and counts for nothing.
Source: CR2 of Bell and McCaffrey 2002, for a mean e_k^2 / (1 - n_k / N), with degrees of freedom at the estimated
correlation within clusters (Imbens, Kolesar 1601.01981); crossed levels: by moments, Cameron, Gelbach, Miller 2011;
score interval with an effective size: Dean, Pagano 2015; exact one: Korn, Graubard 1998.
Departs: the kurtosis of the residuals lowers the degrees of freedom (a variance's own variance is 2 / df + excess / K):
rare events are few large residuals. Values all alike show no design effect: their effective size is the clusters'.
Shapes: `...` data sets, `K` clusters. Units: those of the values.
Fails: closed in `sums`, which takes one data set: empty, unequal or not finite input raises DataError.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError
from gnomon.core.statistics.distributions import beta_quantile, t_two_sided

Array = NDArray[np.float64]
MOST_GAIN = 1.5
"""Clusters may balance one another; more than this many times n an effective size is taken for luck."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What is kept of the values of each cluster."""

    size_K: Array
    total_K: Array
    square_K: Array
    """Sum of the squared values."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean and how well it is known; one entry a data set."""

    mean: Array
    variance: Array
    """Of the mean, robust to any dependence within clusters."""
    df: Array
    n: Array
    """Values."""
    clusters: Array
    single: Array
    """Variance of one value about the mean (population form)."""


def sums(values: Sequence[float], clusters: Sequence[str]) -> Sums:
    """The sums of one data set."""
    if len(values) != len(clusters):
        raise DataError(f"{len(values)} values but {len(clusters)} clusters; give one cluster name to each value")
    if not len(values):
        raise DataError("no observations to average")
    data = np.asarray(values, dtype=float)
    if not np.isfinite(data).all():
        raise DataError("a value is not finite; give missing values to `missing`, which bounds what they could do")
    _, index = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    return Sums(
        size_K=np.bincount(index).astype(float),
        total_K=np.bincount(index, weights=data).astype(float),
        square_K=np.bincount(index, weights=data * data).astype(float),
    )


def spread(given: Sums) -> Spread:
    """Mean, CR2 variance and Satterthwaite degrees of freedom."""
    size_K, total_K, square_K = (np.asarray(v, dtype=float) for v in (given.size_K, given.total_K, given.square_K))
    n = size_K.sum(-1)
    count = (size_K > 0).sum(-1).astype(float)
    mean = total_K.sum(-1) / n
    residual_K = total_K - mean[..., None] * size_K
    left_K = np.maximum(1 - size_K / n[..., None], 1e-12)
    variance = (residual_K**2 / left_K).sum(-1) / n**2
    single = np.maximum(square_K.sum(-1) / n - mean**2, 0.0)
    # Sums that cancel leave dust behind: no spread is no spread.
    variance = np.where(single <= 1e-14 * np.maximum(mean**2, 1e-300), 0.0, variance)
    alike = icc(given)
    scale_K = np.sqrt(size_K * np.maximum(1 + (size_K - 1) * alike[..., None], 1e-12))
    heavy = _heavy(residual_K / np.where(size_K > 0, scale_K, 1.0), size_K > 0)
    df = 1 / (1 / np.clip(_degrees(size_K, alike, n), 1.0, None) + heavy)
    return Spread(mean=mean, variance=variance, df=np.clip(df, 1.0, None), n=n, clusters=count, single=single)


def icc(given: Sums) -> Array:
    """Correlation of two values of one cluster by analysis of variance, clipped to [0, 1]."""
    size_K, total_K, square_K = (np.asarray(v, dtype=float) for v in (given.size_K, given.total_K, given.square_K))
    n, count = size_K.sum(-1), (size_K > 0).sum(-1)
    between = (total_K**2 / np.maximum(size_K, 1)).sum(-1)
    among = (between - total_K.sum(-1) ** 2 / n) / np.maximum(count - 1, 1)
    within = np.maximum(square_K.sum(-1) - between, 0.0) / np.maximum(n - count, 1)
    typical = (n - (size_K**2).sum(-1) / n) / np.maximum(count - 1, 1)
    scale = among + (typical - 1) * within
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(scale > 0, (among - within) / scale, 0.0)
    return np.where(n > count, np.clip(found, 0.0, 1.0), 0.0)


def _degrees(size_K: Array, icc: Array, n: Array) -> Array:
    """Satterthwaite: (tr M)^2 / tr M^2, M the covariance of the CR2 residuals: a diagonal and a matrix of rank 2."""
    wide = n[..., None]
    square_K = 1 / np.maximum(1 - size_K / wide, 1e-12)
    own_K = size_K * (1 + (size_K - 1) * icc[..., None])
    first, second = -1 / n, own_K.sum(-1) / n**2
    uu, us, ss = ((square_K * v).sum(-1) for v in (size_K**2, size_K * own_K, own_K**2))
    diagonal_K = square_K * own_K
    trace = diagonal_K.sum(-1) + 2 * first * us + second * uu
    mixed = 2 * first * (diagonal_K**2 * size_K).sum(-1) + second * (diagonal_K * square_K * size_K**2).sum(-1)
    low_rank = first**2 * (2 * us**2 + 2 * uu * ss) + 4 * first * second * uu * us + second**2 * uu**2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = trace**2 / ((diagonal_K**2).sum(-1) + 2 * mixed + low_rank)
    return np.where(np.isfinite(found), found, 1.0)


def _heavy(residual_K: Array, there_K: NDArray[np.bool_]) -> Array:
    """What heavy tails of the standardised residuals add to 1 / df."""
    count = there_K.sum(-1)
    second = (residual_K**2).sum(-1) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = (residual_K**4).sum(-1) / count / second**2
    return np.where(second > 0, np.maximum(np.nan_to_num(kurtosis, nan=3.0) - 3, 0.0) / (2 * count), 0.0)


def crossed(first: Spread, second: Spread, both: Spread) -> Spread:
    """Two levels that cross (prompts and seeds): their variances less what both count, the luck of single cells.

    Subtracting the cells' whole variance, as is common, takes 1 / (number of seeds) of the prompts' part away as well.
    """
    i, j, cells = first.clusters, second.clusters, both.clusters
    left = 1 - 1 / i - 1 / j
    luck = (both.variance * cells - first.variance * i - second.variance * j) / np.where(left > 0, left, 1) / cells
    luck = np.where(left > 0, np.clip(luck, 0, np.minimum(first.variance, second.variance)), 0.0)
    variance = first.variance + second.variance - luck
    with np.errstate(divide="ignore", invalid="ignore"):
        df = (first.variance + second.variance) ** 2 / (first.variance**2 / first.df + second.variance**2 / second.df)
    least = np.minimum(first.df, second.df)
    df = np.where(np.isfinite(df), np.maximum(df, least), least)
    return replace(first, variance=variance, df=df, clusters=np.minimum(first.clusters, second.clusters))


def t_interval(found: Spread, confidence: float) -> tuple[Array, Array]:
    """Low and high: mean and t times standard error, which is no smaller than the largest effective size allows."""
    least = found.single / (MOST_GAIN * found.n)
    half = t_two_sided(confidence, found.df) * np.sqrt(np.maximum(found.variance, least))
    return found.mean - half, found.mean + half


def effective(found: Spread) -> Array:
    """As many independent values would know the mean as well."""
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.clip(np.nan_to_num(found.single / found.variance, nan=1.0), 1.0, MOST_GAIN * found.n)
    return np.where(found.single > 0, known, found.clusters)


def score_interval(found: Spread, confidence: float | Array) -> tuple[Array, Array]:
    """Low and high of a mean in [0, 1]: Wilson's with the effective size, and t in the place of z."""
    p, square = found.mean, t_two_sided(confidence, found.df) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        # 1 where values are 0 or 1; graded ones vary less, and are known as well as so many more of these.
        graded = np.where(found.single > 0, p * (1 - p) / found.single, 1.0)
    size = effective(found) * np.maximum(graded, 1.0)
    centre = (p + square / (2 * size)) / (1 + square / size)
    half = np.sqrt(square * (p * (1 - p) / size + square / (4 * size * size))) / (1 + square / size)
    return np.where(p <= 0, 0.0, np.maximum(centre - half, 0)), np.where(p >= 1, 1.0, np.minimum(centre + half, 1))


def exact_interval(found: Spread, confidence: float) -> tuple[Array, Array]:
    """Low and high of a rate: Clopper and Pearson's with the effective size, shrunk by the degrees of freedom."""
    shrink = t_two_sided(confidence, np.maximum(found.n - 1, 1)) / t_two_sided(confidence, found.df)
    size = effective(found) * np.minimum(shrink, 1.0) ** 2
    k, tail = found.mean * size, (1 - confidence) / 2
    low = np.where(k > 0, beta_quantile(tail, np.where(k > 0, k, 1), size - k + 1), 0.0)
    high = np.where(k < size, beta_quantile(1 - tail, k + 1, np.where(k < size, size - k, 1)), 1.0)
    return low, high


def drawn_t(given: Sums, times_BK: Array) -> tuple[Array, Array]:
    """Studentised means of clusters drawn again, sorted, and the error that they are in units of.

    `times_BK` says how often each draw holds each cluster. Both errors are uncorrected: the correction would cancel.
    A draw whose clusters are alike says nothing of its own spread: it counts as infinitely far out, on its side.
    """
    size_K, total_K = np.asarray(given.size_K, dtype=float), np.asarray(given.total_K, dtype=float)
    mean, error = _uncorrected(size_K, total_K, np.ones((1, size_K.shape[-1])))
    means, errors = _uncorrected(size_K, total_K, times_BK)
    off, flat = means - mean, errors <= 1e-9 * error
    t = np.where(flat, np.copysign(np.inf, off), off / np.where(flat, 1.0, errors))
    return np.sort(np.where(off == 0, 0.0, t), axis=-1), error[..., 0]


def _uncorrected(size_K: Array, total_K: Array, times_BK: Array) -> tuple[Array, Array]:
    n, total = size_K @ times_BK.T, total_K @ times_BK.T
    mean = total / n
    squares = (total_K**2) @ times_BK.T - 2 * mean * ((total_K * size_K) @ times_BK.T)
    squares += mean**2 * ((size_K**2) @ times_BK.T)
    return mean, np.sqrt(np.maximum(squares, 0.0)) / n
