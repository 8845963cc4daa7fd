"""Early stopping by gold, tested so that one may look at every checkpoint and stop at any of them.

It trains nothing and weighs no norms (`stop.py` does). The cases must play no part in training or its settings.
Why it holds: within a look, cases are independent, and bet and reference see earlier cases only, so the product over
cases has mean at most 1 while no earlier checkpoint is better. Looks share their cases, so they are NOT multiplied: the
k-th look gets weight 1/(k(k+1)), or 1/planned, and the weighted e-values are added. The sum only grows and its mean
stays at most 1 however looks depend on each other: it reaches 1/alpha with probability at most alpha (Markov).
Source: Waudby-Smith, Ramdas 2010.09686 (betting); Vovk, Wang 1912.06116 (means of e-values); Shin et al. 2203.03532.
Departs: the reference is picked case by case, so "best so far" carries no selection bias and costs no union bound.
Shapes: `P` checkpoints, the start first; `C` independent cases (average families first). Units: those of gold.
Fails: closed; gold outside its bounds, lists of unequal length or a look without a pair raise DataError.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError, SettingsError
from gnomon.core.seeds import stream
from gnomon.core.types import Estimate

Array = NDArray[np.float64]
# The best stake is about effect / variance, which new cases at every look have time to find: all sizes are mixed.
STAKES = np.array([0.9, *(0.5 ** np.arange(1, 9))])


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was known of one checkpoint when it was looked at."""

    label: str
    effect: Estimate
    """Gold here minus gold of the best earlier checkpoint; the intervals of all looks hold together."""
    e_value: float
    """Evidence so far that gold has fallen; mean at most 1 while it has not."""
    stop: bool
    """The evidence has reached 1 / (1 - confidence), here or at an earlier look."""


def watch(
    *,
    labels: Sequence[str],
    gold_PC: Any,
    confidence: float = 0.95,
    worse_by: float = 0.0,
    bounds: tuple[float, float] = (0.0, 1.0),
    planned: int | None = None,
    seed: int = 0,
) -> tuple[Look, ...]:
    """One look a checkpoint, all on the same cases; NaN is a case not measured there.

    Tested at each look: mean gold is lower than at some earlier checkpoint by more than `worse_by`. `planned`, the most
    looks that there will be, fixed beforehand, finds late falls sooner than an open end does. Cases are taken in an
    order drawn from `seed`. Missing cases must be missing for reasons that have nothing to do with their gold.

    >>> gold = np.array([[0.9] * 40, [0.9] * 40, [0.1] * 40])
    >>> [look.stop for look in watch(labels=["before", "step-1", "step-2"], gold_PC=gold)]
    [False, False, True]
    """
    gold_PC = _checked(labels, gold_PC, confidence, worse_by, bounds)
    order = np.random.default_rng(stream(seed, "order of cases")).permutation(gold_PC.shape[1])
    gold_PC = gold_PC[:, order]
    width = bounds[1] - bounds[0]
    ahead_C, leader_C = _means_before(gold_PC[0]), gold_PC[0]
    best, means_P = 0, _means(gold_PC)
    weights = _weights(len(labels) - 1, planned)
    changes, evidence = [], [0.0]
    for k, weight in enumerate(weights, start=1):
        now_C = gold_PC[k]
        drop_C = (leader_C - now_C - worse_by) / (width + worse_by)
        evidence.append(evidence[-1] + weight * _e_value(drop_C, math.log(1 / (weight * (1 - confidence)))))
        changes.append((now_C - gold_PC[best]) / width)
        before_C = _means_before(now_C)
        better_C = before_C > ahead_C
        ahead_C, leader_C = np.where(better_C, before_C, ahead_C), np.where(better_C, now_C, leader_C)
        best = k if means_P[k] > means_P[best] else best
    # Two sides, and any of the k earlier checkpoints may have been the best.
    need = [math.log(2 * k / (weight * (1 - confidence))) for k, weight in enumerate(weights, start=1)]
    effects = [_itself(gold_PC.shape[1], confidence), *_effects(labels, changes, need, width, confidence)]
    return _looks(labels, effects, evidence, confidence)


def watch_new_cases(
    *,
    labels: Sequence[str],
    best: Sequence[Any],
    now: Sequence[Any],
    confidence: float = 0.95,
    worse_by: float = 0.0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[Look, ...]:
    """Looks that each draw cases of their own: gold of this checkpoint and of the best so far on the same new cases.

    New cases make looks independent, so their e-values may be multiplied: an e-process, mixed over stakes and over the
    look at which the fall began (weight 1/(k(k+1)) for the k-th), stopped by Ville's inequality. The reference may be
    chosen by everything seen at earlier looks.
    """
    if not len(labels) == len(best) == len(now):
        raise DataError(f"{len(labels)} labels, {len(best)} references, {len(now)} looks; give one of each to a look")
    width = bounds[1] - bounds[0]
    weights = _weights(len(labels), None)
    running_S = np.full(len(STAKES), -np.inf)
    evidence, changes = [], []
    for k, (label, old, new) in enumerate(zip(labels, best, now, strict=True)):
        if np.shape(old) != np.shape(new):
            raise DataError(f"{label}: {np.size(old)} values of the reference but {np.size(new)} here; pair them")
        pair_2C = _checked(["the best so far", label], [old, new], confidence, worse_by, bounds)
        drop_C = (pair_2C[0] - pair_2C[1] - worse_by) / (width + worse_by)
        capital_S = np.log1p(STAKES[:, None] * np.nan_to_num(drop_C)).sum(1)
        running_S = capital_S + np.logaddexp(running_S, math.log(weights[k]))
        # What is kept for falls that begin later is still whole.
        evidence.append(_exp(float(_log_mean_exp(running_S))) + 1 / (k + 2))
        changes.append((pair_2C[1] - pair_2C[0]) / width)
    need = [math.log(2 / (weight * (1 - confidence))) for weight in weights]
    return _looks(labels, _effects(["", *labels], changes, need, width, confidence), evidence, confidence)


def _weights(looks: int, planned: int | None) -> list[float]:
    """Share of the level for each look; they add up to at most 1."""
    if planned is None:
        return [1 / (k * (k + 1)) for k in range(1, looks + 1)]
    if planned < max(looks, 1):
        raise SettingsError(f"{looks} looks but planned is {planned}; write the most looks there will be, or None")
    return [1 / planned] * looks


def _looks(
    labels: Sequence[str], effects: Sequence[Estimate], evidence: Sequence[float], confidence: float
) -> tuple[Look, ...]:
    stopped = np.maximum.accumulate(np.array([0.0, *evidence]))[1:] >= 1 / (1 - confidence)
    return tuple(
        Look(label=label, effect=effect, e_value=e, stop=bool(stop))
        for label, effect, e, stop in zip(labels, effects, evidence, stopped, strict=True)
    )


def _checked(
    labels: Sequence[str], gold: Any, confidence: float, worse_by: float, bounds: tuple[float, float]
) -> Array:
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence is {confidence}; write a share between 0 and 1, as 0.95")
    if not bounds[0] < bounds[1] or not all(map(math.isfinite, bounds)):
        raise SettingsError(f"bounds are {bounds}; write the lowest and the highest gold there can be, as (0, 1)")
    if not 0 <= worse_by < bounds[1] - bounds[0]:
        raise SettingsError(f"worse_by is {worse_by}; write a loss of gold from 0 to below the width of {bounds}")
    gold_PC = np.asarray(gold, dtype=float)
    if gold_PC.ndim != 2 or len(gold_PC) != len(labels) or not gold_PC.size:
        raise DataError(f"{len(labels)} labels but gold of shape {gold_PC.shape}; give one row of cases to each label")
    for label, row_C in zip(labels, gold_PC, strict=True):
        if (row_C < bounds[0]).any() or (row_C > bounds[1]).any():
            raise DataError(
                f"{label}: gold from {np.nanmin(row_C)} to {np.nanmax(row_C)} leaves {bounds}; give bounds="
            )
        if np.isnan(row_C).all():
            raise DataError(f"{label}: no case has gold; leave the checkpoint out")
    return gold_PC


def _means(gold_PC: Array) -> Array:
    measured_PC = ~np.isnan(gold_PC)
    means_P: Array = np.where(measured_PC, gold_PC, 0.0).sum(1) / measured_PC.sum(1)
    return means_P


def _means_before(gold_C: Array) -> Array:
    """Mean gold of the cases before each one; minus infinity where there are none."""
    measured_C = ~np.isnan(gold_C)
    sums_C = np.cumsum(np.where(measured_C, gold_C, 0.0))[:-1]
    counts_C = np.cumsum(measured_C)[:-1]
    means_C = np.full(len(gold_C), -np.inf)
    np.divide(sums_C, counts_C, out=means_C[1:], where=counts_C > 0)
    return means_C


def _e_value(drop_C: Array, target: float) -> float:
    """Capital won by betting on a fall; drops lie in [-1, 1], NaN is no bet.

    The stake on each case comes from the cases before it (the predictable plug-in of 2010.09686 for a fixed number of
    them): it is the one that reaches exp(target) with the smallest fall that so many cases of their spread can show.
    """
    drop_C = drop_C[~np.isnan(drop_C)]
    before_C = np.cumsum(drop_C**2) - drop_C**2
    spread_C = (before_C + 0.25) / np.arange(1, len(drop_C) + 1)
    stake_C = np.minimum(0.9, np.sqrt(2 * target / (len(drop_C) * spread_C)))
    return _exp(float(np.log1p(stake_C * drop_C).sum()))


def _exp(log: float) -> float:
    return math.exp(min(log, 700.0))  # still a float, and more evidence than anyone needs


def _log_mean_exp(logs: Array) -> Any:
    top = logs.max(-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(logs - top).mean(-1))


def _effects(
    labels: Sequence[str], changes: Sequence[Array], need: Sequence[float], width: float, confidence: float
) -> list[Estimate]:
    """Estimates from changes of gold in units of its width, one array a look; `need` is log(1 / level) of a side."""
    moments = []
    for label, change_C in zip(labels[1:], changes, strict=True):
        found_C = change_C[~np.isnan(change_C)]
        if not found_C.size:
            raise DataError(f"{label}: no case has gold both here and at the best earlier checkpoint")
        centred_C = found_C - found_C.mean()
        square_C = centred_C**2
        third, fourth = (square_C * centred_C).mean(), (square_C**2).mean()
        moments.append((found_C.size, found_C.mean(), square_C.mean(), third, fourth))
    if not moments:
        return []
    n_K, mean_K, second_K, third_K, fourth_K = np.array(moments).T
    log_K = np.array(need)
    low_K = _lower(n_K, mean_K, second_K, third_K, fourth_K, log_K)
    high_K = -_lower(n_K, -mean_K, second_K, -third_K, fourth_K, log_K)
    method = "paired difference to the best earlier checkpoint; betting interval, all looks at once"
    return [
        Estimate(value=v, low=low, high=high, n=int(n), unit="gold", method=method, confidence=confidence)
        for v, low, high, n in zip(
            (width * mean_K).tolist(), (width * low_K).tolist(), (width * high_K).tolist(), n_K.tolist(), strict=True
        )
    ]


def _lower(n_K: Array, mean_K: Array, second_K: Array, third_K: Array, fourth_K: Array, need_K: Array) -> Array:
    """Largest mean in [-1, 1] that betting on a larger one rejects, from central moments.

    log(1+y) >= y - y^2/2 + y^3/3 - y^4/2 for y >= -1/2, so with stakes up to 1/4 four moments bound the capital from
    below; the bound falls with the mean that is tested, so bisection finds the edge.
    """
    stakes = 0.5 ** np.arange(2, 11)
    low_K, high_K = np.full_like(mean_K, -1.0), mean_K.copy()
    for _ in range(30):
        middle_K = (low_K + high_K) / 2
        s = mean_K - middle_K
        first, second = s, second_K + s**2
        third = third_K + 3 * s * second_K + s**3
        fourth = fourth_K + 4 * s * third_K + 6 * s**2 * second_K + s**4
        terms = np.stack([first, -second / 2, third / 3, -fourth / 2])
        logs = n_K[:, None] * (terms.T @ np.stack([stakes, stakes**2, stakes**3, stakes**4]))
        rejected_K = _log_mean_exp(logs) >= need_K
        low_K, high_K = np.where(rejected_K, middle_K, low_K), np.where(rejected_K, high_K, middle_K)
    return low_K


def _itself(n: int, confidence: float) -> Estimate:
    return Estimate(value=0.0, low=0.0, high=0.0, n=n, unit="gold", method="the start itself", confidence=confidence)
