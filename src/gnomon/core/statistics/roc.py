"""How well a score tells two groups apart: area under the ROC curve, and the rate of hits at a rate of false alarms.

Higher scores speak for the first group. Values of one cluster (texts of one document) may depend on each other.
Source: DeLong, DeLong, Clarke-Pearson 1988 (placements); Obuchowski 1997 (clusters); logit interval: Pepe 2003, section
5.2.4; hits at few false alarms as the measure for membership: Carlini et al. 2112.03570, section IV.
Departs: a t quantile with as many degrees of freedom as the smaller group has clusters, less one.
Units: rates. Fails: closed; an empty group or a value that is not finite is a DataError.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.core.binomial import clopper_pearson
from gnomon.core.errors import DataError
from gnomon.core.statistics import clustered
from gnomon.core.statistics.distributions import t_of
from gnomon.core.types import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Hits at a threshold that keeps false alarms at or below a rate."""

    at: float
    """The rate of false alarms that was asked for."""
    hits: Estimate | None
    """None: the second group is too small for so low a rate."""
    alarms: Estimate | None
    """False alarms at that threshold, with their exact interval: the threshold was chosen on these very values."""
    threshold: float | None
    why: str = ""


def auroc(
    first: Sequence[float],
    second: Sequence[float],
    *,
    first_clusters: Sequence[str] | None = None,
    second_clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """P(a value of the first group is above one of the second), ties counting half.

    >>> auroc([3, 4], [1, 2, 3.5]).value
    0.8333333333333334
    """
    one_M, two_N = _values(first), _values(second)
    m, n = len(one_M), len(two_N)
    below_M = _placed(one_M, two_N)
    above_N = 1 - _placed(two_N, one_M)
    area = float(below_M.mean())
    names_M = [f"first {i}" for i in range(m)] if first_clusters is None else list(first_clusters)
    names_N = [f"second {i}" for i in range(n)] if second_clusters is None else list(second_clusters)
    if len(names_M) != m or len(names_N) != n:
        raise DataError("give one cluster name to each value")
    clusters = min(len(set(names_M)), len(set(names_N)))
    variance = _variance(below_M - area, above_N - area, names_M, names_N)
    low, high, method = _interval(area, variance, clusters, confidence)
    return Estimate(
        value=area,
        low=low,
        high=high,
        n=m + n,
        unit="AUROC",
        method=f"{method}, {m} against {n}",
        confidence=confidence,
    )


def hits(
    first: Sequence[float],
    second: Sequence[float],
    *,
    at: float,
    first_clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Hits:
    """Share of the first group above the threshold that at most a share `at` of the second group is above."""
    one_M, two_N = _values(first), _values(second)
    if not 0 < at < 1:
        raise DataError(f"a rate of false alarms is between 0 and 1, not {at}")
    n = len(two_N)
    if n * at < 1 - 1e-9:
        why = f"{at:.2%} of {n} is less than one value; it needs {math.ceil(1 / at - 1e-9)} of the second group"
        return Hits(at=at, hits=None, alarms=None, threshold=None, why=why)
    allowed = math.floor(n * at + 1e-9)
    threshold = float(np.sort(two_N)[n - 1 - allowed])
    names = [str(i) for i in range(len(one_M))] if first_clusters is None else list(first_clusters)
    return Hits(
        at=at,
        hits=clustered.rate((one_M > threshold).astype(int).tolist(), names, confidence=confidence),
        alarms=clopper_pearson(int((two_N > threshold).sum()), n, confidence),
        threshold=threshold,
    )


def _values(group: Sequence[float]) -> Array:
    values = np.asarray(group, dtype=float)
    if not len(values) or not np.isfinite(values).all():
        raise DataError("each group needs a value, and every value must be finite")
    return values


def _placed(values: Array, among: Array) -> Array:
    """For each value, the share of the other group below it, ties counting half."""
    ordered = np.sort(among)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2 / len(ordered)


def _variance(left_M: Array, left_N: Array, names_M: Sequence[str], names_N: Sequence[str]) -> float:
    """Of the area: both groups' placements summed within clusters, which may hold values of either group."""
    each = [np.unique(names, return_counts=True)[1].size for names in (names_M, names_N)]
    if min(each) < 2:
        return math.inf
    moved: dict[str, list[float]] = {}
    for left, names, side in ((left_M, names_M, 0), (left_N, names_N, 1)):
        for value, name in zip(left, names, strict=True):
            moved.setdefault(name, [0.0, 0.0])[side] += float(value)
    grown = [
        math.sqrt(count / (count - 1)) / size for count, size in zip(each, (len(left_M), len(left_N)), strict=True)
    ]
    return sum((a * grown[0] + b * grown[1]) ** 2 for a, b in moved.values())


def _interval(area: float, variance: float, clusters: int, confidence: float) -> tuple[float, float, str]:
    if clusters < 2:
        return 0.0, 1.0, "one cluster: no interval can be made"
    if area in (0.0, 1.0):
        # Groups that do not overlap: as if each cluster of the smaller one had been a trial.
        bound = clopper_pearson(0, clusters, confidence).high
        return (
            (1 - bound, 1.0, "no overlap, Clopper-Pearson")
            if area == 1
            else (0.0, bound, "no overlap, Clopper-Pearson")
        )
    half = t_of(confidence, clusters - 1) * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    low, high = (1 / (1 + math.exp(-min(max(centre + s * half, -700), 700))) for s in (-1, 1))
    return low, high, f"DeLong on the logit scale, {clusters} clusters or more in each group"
