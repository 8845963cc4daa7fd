"""The forms of Gao et al. fitted to gold against distance: a peak with its interval, or why none is named.

It foretells nothing beyond 1.3 times the furthest distance seen, and no form foresees a sparse exploit: see `sparse`.
Source: Gao et al. 2210.10760: best-of-n R = d (a - b d), RL R = d (a - b log d); the peaks follow from calculus.
Intervals draw clusters of cases and the signs of residuals (wild bootstrap, Wu 1986, HC2): noise and lack of fit.
Departs: the runs test of Wald and Wolfowitz (1940) takes its distribution from the bootstrap, as points share cases.
Above 4096 clusters the draws are over 4096 random groups of clusters: the same variance.
Shapes: P points, C cases, K clusters, D draws. Units: d in sqrt(nats), gold in its own unit counted from the start.
Fails: closed; without a start, three distances beyond it and two clusters there is no fit: DataError.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError, SettingsError, choices
from gnomon.core.seeds import stream
from gnomon.core.stats import wilson
from gnomon.core.types import Estimate

Form = Literal["best_of_n", "rl"]
Floats = NDArray[np.float64]

REACH = 1.3
POINTS, CLUSTERS, GROUPS = 4, 20, 4096
"""Fewest distances and clusters for a peak to be named; most groups that are drawn from."""
UNITS = {"best_of_n": ("gold/sqrt(nats)", "gold/nats"), "rl": ("gold/sqrt(nats)", "gold/sqrt(nats)")}


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Whether what the form leaves over is more than noise."""

    rmse: Estimate
    """Error at points that were left out one at a time; the ends are the least and the largest of them."""
    expected: Estimate
    """What noise alone would make of it, were the form true."""
    rmse_p: Estimate
    """Share of draws of noise alone with an error as large."""
    runs_p: Estimate
    """Share of draws of noise alone whose residuals change sign as seldom."""
    fits: bool
    reason: str
    """Why not; empty if it fits."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A form, its two coefficients, and the peak if the data carry one."""

    form: Form
    a: Estimate
    b: Estimate
    peak: Estimate | None
    """Distance at which the form is highest, sqrt(nats)."""
    gold_at_peak: Estimate | None
    reason: str
    """Why no peak is named; empty if one is."""
    misfit: Misfit
    furthest: float
    """Largest distance seen; in what is claimed for k rounds, k times that."""
    reach: float
    """1.3 times that: nothing is said beyond."""
    covariance: tuple[float, float, float]
    """Of the coefficients over the draws: var a, cov(a, b), var b."""


def terms(form: Form, distance_P: Sequence[float] | Floats) -> Floats:
    """What a and b are multiplied with: d and -d^2, or d and -d log d; [P, 2].

    >>> terms("best_of_n", [0.0, 2.0]).tolist()
    [[0.0, -0.0], [2.0, -4.0]]
    """
    d = np.asarray(distance_P, dtype=float)
    if form == "best_of_n":
        return np.stack([d, -d * d], axis=-1)
    if form == "rl":
        return np.stack([d, -d * np.log(np.where(d > 0, d, 1.0))], axis=-1)
    raise SettingsError(f"no form is called {form!r}: {choices(str(form), UNITS)}")


def fit(
    *,
    distance_P: Sequence[float],
    gold_PC: NDArray[Any],
    clusters_C: Sequence[str],
    form: Form,
    confidence: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> Fit:
    """Least squares over the points, each weighted by its cases, with a bootstrap over clusters and residuals.

    The first point at distance 0 is the start. A case counts at a point if its gold is known there and at the start
    (NaN: not measured); what is fitted is the mean difference between the two.
    """
    if not 0 < confidence < 1 or draws < 2:
        raise SettingsError(f"confidence {confidence}, draws {draws}; write a share between 0 and 1, and 2 or more")
    d_P, sums_PK, counts_PK, cases = _paired(distance_P, gold_PC, clusters_C, seed)
    x_P2, weight_P = terms(form, d_P), counts_PK.sum(axis=1)
    solve_2P = np.linalg.pinv(x_P2 * np.sqrt(weight_P)[:, None]) * np.sqrt(weight_P)
    mean_P = sums_PK.sum(axis=1) / weight_P
    mean_DP = _drawn(sums_PK, counts_PK, mean_P, draws, seed)
    misfit = _check(x_P2, solve_2P, mean_P, mean_DP, cases, confidence)
    mean_DP = mean_DP + _lack_of_fit(x_P2, solve_2P, mean_P, draws, seed)
    a, b = (float(v) for v in solve_2P @ mean_P)
    a_D, b_D = solve_2P @ mean_DP.T
    method = f"least squares, {form}; cluster and wild bootstrap, {sums_PK.shape[1]} groups of cases, {draws} draws"

    def estimate(value: float, value_D: Floats, unit: str) -> Estimate:
        return _estimate(value, value_D, cases, unit, method, confidence)

    slope, bend = (estimate(v, v_D, u) for v, v_D, u in zip((a, b), (a_D, b_D), UNITS[form], strict=True))
    furthest = float(d_P.max())
    top_D, top = _peak(form, a_D, b_D), float(_peak(form, np.array([a]), np.array([b]))[0])
    peak = estimate(top, top_D, "sqrt(nats)")
    reason = _refusal(d_P, sums_PK.shape[1], misfit, bend, peak)
    height = None
    if not reason:
        gold_D = (terms(form, np.where(np.isfinite(top_D), top_D, 0.0)) * np.stack([a_D, b_D], axis=-1)).sum(axis=-1)
        gold_D = np.where(np.isfinite(top_D), gold_D, np.inf)
        height = estimate(float(terms(form, [top])[0] @ (a, b)), gold_D, "gold")
    spread = np.cov(np.stack([a_D, b_D]))
    return Fit(
        form=form,
        a=slope,
        b=bend,
        peak=None if reason else peak,
        gold_at_peak=height,
        reason=reason,
        misfit=misfit,
        furthest=furthest,
        reach=REACH * furthest,
        covariance=(float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1])),
    )


def predict(fit: Fit, d: float) -> Estimate:
    """Gold above the start that the form gives at distance `d`; beyond the reach of what was seen a DataError."""
    if not 0 <= d <= fit.reach:
        raise DataError(
            f"distance {d:.3g} is outside 0 to {fit.reach:.3g}, {REACH} times the furthest seen: measure there"
        )
    x_2 = terms(fit.form, [d])[0]
    aa, ab, bb = fit.covariance
    half = NormalDist().inv_cdf(0.5 + fit.a.confidence / 2) * math.sqrt(
        max(0.0, float(x_2 @ np.array([[aa, ab], [ab, bb]]) @ x_2))
    )
    value = float(x_2 @ (fit.a.value, fit.b.value))
    method = f"{fit.a.method}; normal interval" + ("" if fit.misfit.fits else "; the form does not fit")
    return replace(fit.a, value=value, low=value - half, high=value + half, unit="gold", method=method)


def iterated(fit: Fit, rounds: int) -> Fit:
    """What the RL form claims for rounds of fresh preference data, from a fit of one round; a claim, not a measurement.

    R_k(d) = d (a - b log d + b log k) = k R(d / k): k times as high, k times as far out, gold and reach alike. Gao et
    al. derive it from two assumptions: every round has the same a and b, and distances add up. `misfit` and `reason`
    stay those of the one round. In `experiments/limits_iterated.py` neither held: the peak moved out by less than k
    wherever that could be told (4 rounds: 1.3 to 1.6 times, 2.6 with as many labels in every round).
    """
    if fit.form != "rl":
        raise DataError(f"rounds of fresh data were claimed for the form 'rl', and this is a fit of '{fit.form}'")
    if rounds < 1:
        raise SettingsError(f"rounds is {rounds}; write 1 or more")
    (aa, ab, bb), log = fit.covariance, math.log(rounds)
    spread = (aa + 2 * log * ab + log * log * bb, ab + log * bb, bb)
    half = NormalDist().inv_cdf(0.5 + fit.a.confidence / 2) * math.sqrt(max(0.0, spread[0]))
    method = f"claimed by the form for {rounds} rounds, from the covariance of one: {fit.a.method}"
    a = fit.a.value + fit.b.value * log

    def scaled(one: Estimate | None) -> Estimate | None:
        if one is None:
            return None
        return replace(one, value=rounds * one.value, low=rounds * one.low, high=rounds * one.high, method=method)

    return replace(
        fit,
        a=replace(fit.a, value=a, low=a - half, high=a + half, method=method),
        b=replace(fit.b, method=method),
        peak=scaled(fit.peak),
        gold_at_peak=scaled(fit.gold_at_peak),
        furthest=rounds * fit.furthest,
        reach=rounds * fit.reach,
        covariance=spread,
    )


def _paired(
    distance_P: Sequence[float], gold_PC: NDArray[Any], clusters_C: Sequence[str], seed: int
) -> tuple[Floats, Floats, Floats, int]:
    """Distances beyond the start in rising order, sums and counts of differences in every group, and the cases."""
    d_P, (points, cases) = np.asarray(distance_P, dtype=float), gold_PC.shape
    if (points, cases) != (len(d_P), len(clusters_C)):
        raise DataError(
            f"gold is {points} x {cases}, with {len(d_P)} distances and {len(clusters_C)} clusters; "
            "give one distance to each row and one cluster to each column"
        )
    if not (np.isfinite(d_P).all() and (d_P >= 0).all()):
        raise DataError("a distance is negative or not finite; write sqrt(KL) in nats")
    if not (d_P == 0).any():
        raise DataError("no point has distance 0; measure the start, as gold is counted from it")
    if np.isinf(gold_PC).any():
        raise DataError("a gold is infinite; write NaN where nothing was measured")
    start_C = gold_PC[int(np.argmin(d_P))]
    begun = np.flatnonzero(~np.isnan(start_C))
    names, index_C = np.unique(np.asarray(clusters_C, dtype=str)[begun], return_inverse=True)
    groups = min(max(len(names), 1), GROUPS)
    index_C = np.random.default_rng(stream(seed, "groups")).permutation(len(names))[index_C] % groups
    rows = []
    for p in np.argsort(d_P, kind="stable"):
        change_C = gold_PC[p, begun] - start_C[begun]
        known = ~np.isnan(change_C)
        if d_P[p] > 0 and known.any():
            sums_K = np.bincount(index_C[known], weights=change_C[known], minlength=groups)
            rows.append((d_P[p], sums_K, np.bincount(index_C[known], minlength=groups)))
    distances = len({d for d, _, _ in rows})
    if distances < 3 or len(names) < 2:
        raise DataError(
            f"gold is known at {distances} distances beyond the start, for {len(names)} clusters of cases; "
            "a form with two coefficients needs 3 and 2 to be checked"
        )
    return np.array([r[0] for r in rows]), np.stack([r[1] for r in rows]), np.stack([r[2] for r in rows]), len(begun)


def _drawn(sums_PK: Floats, counts_PK: Floats, mean_P: Floats, draws: int, seed: int) -> Floats:
    """Means of the points when the groups are drawn again with replacement; [D, P]."""
    groups = sums_PK.shape[1]
    times_DK = np.random.default_rng(stream(seed, "bootstrap")).multinomial(groups, np.full(groups, 1 / groups), draws)
    times_DK = times_DK.astype(float)
    total_DP, cases_DP = times_DK @ sums_PK.T, times_DK @ counts_PK.T
    # A draw can miss every case of a point that few cases have; that point then stays as it was seen.
    return np.where(cases_DP > 0, total_DP / np.maximum(cases_DP, 1), mean_P)


def _lack_of_fit(x_P2: Floats, solve_2P: Floats, mean_P: Floats, draws: int, seed: int) -> Floats:
    """Residuals of the points with random signs, corrected for leverage; [D, P].

    A form is never quite true, and cases drawn again do not show it: with them alone the peak's interval misses too
    often. Residuals hold noise as well, which counts twice here: the interval is rather too wide.
    """
    hat_PP = x_P2 @ solve_2P
    size_P = (mean_P - hat_PP @ mean_P) / np.sqrt(_free(hat_PP))
    sign_DP = np.random.default_rng(stream(seed, "signs")).choice([-1.0, 1.0], size=(draws, len(mean_P)))
    return np.asarray(size_P * sign_DP)


def _check(x_P2: Floats, solve_2P: Floats, mean_P: Floats, mean_DP: Floats, cases: int, confidence: float) -> Misfit:
    """Held-out error and runs of residuals, beside what draws of noise alone make of them."""
    hat_PP = x_P2 @ solve_2P
    # Least squares without point p misses it by its residual / (1 - leverage): no refit is needed.
    left_PP = (np.eye(len(mean_P)) - hat_PP) / _free(hat_PP)[:, None]
    error_P, noise_DP = left_PP @ mean_P, (mean_DP - mean_P) @ left_PP.T
    rounding = 1e-9 * float(np.abs(mean_P).max())
    rmse, noise_D = math.sqrt(float((error_P**2).mean())), np.sqrt((noise_DP**2).mean(axis=1))
    runs, runs_D = (((e[..., 1:] * e[..., :-1]) > rounding**2).sum(axis=-1) for e in (error_P, noise_DP))
    draws, share = len(mean_DP), (1 - confidence) / 2
    rmse_p = wilson(int((noise_D + rounding >= rmse).sum()), draws, confidence, "p")
    runs_p = wilson(int((runs_D >= runs).sum()), draws, confidence, "p")
    size_P = np.abs(error_P)
    found = Estimate(
        value=rmse,
        low=float(size_P.min()),
        high=float(size_P.max()),
        n=cases,
        unit="gold",
        method=f"leave one of {len(mean_P)} points out; least and largest error",
        confidence=1.0,
    )
    usual = math.sqrt(float((noise_D**2).mean()))
    expected = _estimate(usual, noise_D, cases, "gold", f"cluster bootstrap of noise alone, {draws} draws", confidence)
    reason = ""
    if rmse_p.value < share:
        reason = f"held-out error {rmse:.3g}, where noise alone makes {expected.value:.3g}"
    elif runs_p.value < share:
        reason = f"residuals keep their sign in runs that noise alone makes in {runs_p.value:.1%} of draws"
    return Misfit(rmse=found, expected=expected, rmse_p=rmse_p, runs_p=runs_p, fits=not reason, reason=reason)


def _free(hat_PP: Floats) -> Floats:
    """One less each point's leverage; a point that the fit must pass through has next to none, not 0 by rounding."""
    return np.maximum(1 - np.diag(hat_PP), 1e-9)


def _peak(form: Form, a_D: Floats, b_D: Floats) -> Floats:
    """Where the form is highest; infinite where it never bends down, 0 where gold falls from the start."""
    bends = b_D > 0
    safe_D = np.where(bends, b_D, 1.0)
    with np.errstate(over="ignore"):  # a hair above b = 0 the peak is infinite in all but name
        top_D = np.maximum(a_D / (2 * safe_D), 0.0) if form == "best_of_n" else np.exp(a_D / safe_D - 1)
    return np.where(bends, top_D, np.inf)


def _refusal(d_P: Floats, clusters: int, misfit: Misfit, bend: Estimate, peak: Estimate) -> str:
    """Why the data carry no peak; empty if they do."""
    distances, nearest, reach = len(set(d_P.tolist())), float(d_P.min()), REACH * float(d_P.max())
    if distances < POINTS or clusters < CLUSTERS:
        return (
            f"too few points: {distances} distances beyond the start and {clusters} clusters of cases; "
            f"{POINTS} and {CLUSTERS} are needed"
        )
    if not misfit.fits:
        return f"the form does not fit: {misfit.reason}"
    if bend.low <= 0:
        return f"the interval covers 'no peak': b is {bend.low:.3g} to {bend.high:.3g}"
    if peak.high > reach:
        return (
            f"the peak lies beyond what was seen, or may: its interval ends at {peak.high:.3g} and nothing is said "
            f"beyond {reach:.3g}, {REACH} times the furthest distance"
        )
    if peak.value < nearest:
        return f"the peak lies nearer to the start than the first distance measured, {nearest:.3g}: measure there"
    return ""


def _estimate(value: float, value_D: Floats, n: int, unit: str, method: str, confidence: float) -> Estimate:
    """The percentile interval, stretched to hold the value itself; ends are draws, as some may be infinite."""
    ends = np.quantile(value_D, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    low, high = min(float(ends[0]), value), max(float(ends[1]), value)
    return Estimate(value=value, low=low, high=high, n=n, unit=unit, method=method, confidence=confidence)
