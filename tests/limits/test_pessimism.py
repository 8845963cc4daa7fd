"""Against scipy's optimisers, enumeration of every order of the samples, and closed forms."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.stats import chisquare

from gnomon.core import aggregates
from gnomon.core.errors import DataError, SettingsError
from gnomon.limits import pessimism
from gnomon.limits.compare import Curve
from gnomon.limits.pessimism import inference_time, proxy_point, sample, threshold

proxies = st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=12)
betas = st.floats(0.01, 10)


def test_the_ensemble_rules_are_those_of_the_core():
    for rule in ("mean", "worst_case", "uncertainty_weighted"):
        assert getattr(pessimism, rule) is getattr(aggregates, rule)


@settings(deadline=None)
@given(proxies, betas)
def test_the_threshold_is_the_root(proxy_N, beta):
    def excess(lam):
        return np.mean(np.maximum((np.array(proxy_N) - lam) / beta, 0)) - 1

    wanted = brentq(excess, min(proxy_N) - 2 * beta, max(proxy_N), xtol=1e-13)
    assert threshold(proxy_N, beta) == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None)
@given(proxies, betas, st.floats(-1e6, 1e6))
def test_weights_are_probabilities_in_the_order_of_the_proxy_and_no_shift_moves_them(proxy_N, beta, shift):
    weights_N = inference_time(proxy_N, beta)
    assert weights_N.sum() == pytest.approx(1)
    assert (weights_N >= 0).all()
    order = np.argsort(proxy_N)
    assert (np.diff(weights_N[order]) >= -1e-12).all()
    np.testing.assert_allclose(inference_time([p + shift for p in proxy_N], beta), weights_N, atol=1e-6 / beta)


@pytest.mark.parametrize("beta", [0.05, 0.3, 2.0])
def test_it_maximises_the_proxy_less_chi_squared(beta):
    proxy_N = np.random.default_rng(1).normal(size=7)
    start = np.full(7, 1 / 7)

    def loss(p):
        return -p @ proxy_N + beta / 2 * (7 * p @ p - 1)

    found = minimize(
        loss,
        start,
        jac=lambda p: -proxy_N + beta * 7 * p,
        bounds=[(0, 1)] * 7,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(7)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(inference_time(proxy_N, beta), found.x, atol=1e-5)


def test_both_ends():
    proxy_N = [0.3, -1.0, 2.0, 1.9]
    assert inference_time(proxy_N, 1e-6).tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(inference_time(proxy_N, 1e6), 0.25, atol=1e-6)
    assert inference_time([1.0, 1.0], 0.1).tolist() == [0.5, 0.5]


def exact(proxy_N, beta, limit):
    """Probability of each sample, accepted or not, over every order of the samples."""
    lowest, count = threshold(proxy_N, beta), len(proxy_N)
    accept = np.clip((np.array(proxy_N) - lowest) / (limit - lowest), 0, 1)
    accepted, fallback = np.zeros(count), np.zeros(count)
    orders = list(itertools.permutations(range(count)))
    for order in orders:
        left = 1.0
        for i in order:
            accepted[i] += left * accept[i] / len(orders)
            left *= 1 - accept[i]
        fallback[order[0]] += left / len(orders)
    return np.concatenate([accepted, fallback])


@pytest.mark.parametrize(("beta", "bound"), [(0.5, None), (1.0, 3.0)])
def test_the_sampler_draws_by_its_own_law(beta, bound):
    proxy_N, runs = [0.2, 1.0, -0.5, 0.9], 6000
    wanted = exact(proxy_N, beta, bound or max(proxy_N))
    draws = Counter((d.accepted, d.index) for d in (sample(proxy_N, beta, seed=s, bound=bound) for s in range(runs)))
    counts = np.array([draws[(accepted, i)] for accepted in (True, False) for i in range(4)])
    possible = wanted > 1e-12
    assert counts[~possible].sum() == 0
    assert chisquare(counts[possible], runs * wanted[possible]).pvalue > 1e-3
    assert sample(proxy_N, beta, seed=7) == sample(proxy_N, beta, seed=7)


def test_with_many_samples_rejection_follows_the_weights_and_a_higher_bound_falls_back_more_often():
    proxy_N = np.tile([0.0, 1.0, 2.0, 3.0], 60).tolist()
    weights = inference_time(proxy_N, 1.5).reshape(60, 4).sum(axis=0)
    draws = [sample(proxy_N, 1.5, seed=s) for s in range(2000)]
    assert all(d.accepted for d in draws)
    got = np.bincount([d.index % 4 for d in draws], minlength=4)
    possible = weights > 0
    assert chisquare(got[possible], 2000 * weights[possible]).pvalue > 1e-3
    falls = [sum(not sample(proxy_N, 1.5, seed=s, bound=b).accepted for s in range(200)) for b in (3.0, 300.0, 3e5)]
    assert falls[0] == 0 < falls[1] < falls[2]


def test_best_of_n_follows_a_hack_and_pessimism_does_not():
    # A thousandth of the replies look 1 better than the best others and are 3 worse; the others are as they look.
    rng, gold = np.random.default_rng(0), {}
    for n in (100, 20_000):
        hack_N = rng.random(n) < 1e-3
        true_N = rng.uniform(0, 1, n) - 3 * hack_N
        looks_N = np.where(hack_N, 2.0, true_N)
        gold[n] = float(inference_time(looks_N, 0.5) @ true_N)
        assert n == 100 or true_N[looks_N.argmax()] < -2
    assert gold[20_000] > 0.5
    assert gold[20_000] > gold[100] - 0.1


CASES = [f"family {i}" for i in range(60)]


def component(x_P, peak, noise, seed=0):
    rng = np.random.default_rng(seed)
    gold_PC = np.array([-((x - peak) ** 2) + rng.normal(0, noise, len(CASES)) for x in x_P])
    return Curve(x_P=x_P, gold_PC=gold_PC, clusters_C=CASES)


def test_proxy_point_is_where_gold_peaks_and_noise_widens_it():
    x_P = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    clear, noisy = proxy_point(component(x_P, 1.5, 0.01)), proxy_point(component(x_P, 1.5, 2.0))
    assert (clear.value, clear.low, clear.high, clear.unit, clear.n) == (1.5, 1.5, 1.5, "proxy", 60)
    assert noisy.high - noisy.low >= 0.5
    turned = component(x_P[::-1], 1.5, 0.01)
    assert proxy_point(turned).value == 1.5
    assert proxy_point(component(x_P, -1.0, 0.01)).value == 0.0


def test_intervals_of_proxy_points_cover():
    held = [
        found.low <= 1.0 <= found.high
        for seed in range(100)
        for found in [proxy_point(component([0.0, 0.5, 1.0, 1.5, 2.0], 1.0, 2.0, seed), draws=300, seed=seed)]
    ]
    assert sum(held) >= 90


def test_what_cannot_be_answered_is_refused():
    with pytest.raises(DataError, match="finite"):
        inference_time([1.0, float("nan")], 1.0)
    with pytest.raises(DataError, match="at least one"):
        inference_time([], 1.0)
    with pytest.raises(SettingsError, match="above 0"):
        inference_time([1.0], 0.0)
    with pytest.raises(DataError, match="above the bound"):
        sample([1.0, 2.0], 1.0, seed=0, bound=1.5)
    with pytest.raises(DataError, match="largest proxy measured"):
        proxy_point(component([0.0, 1.0], 3.0, 0.01))
    with pytest.raises(DataError, match="at least two"):
        proxy_point(Curve(x_P=[0.0, 1.0], gold_PC=np.array([[1.0], [0.0]]), clusters_C=["a"]))
    with pytest.raises(DataError, match="every case"):
        proxy_point(Curve(x_P=[0.0, 1.0], gold_PC=np.array([[np.nan], [0.0]]), clusters_C=["a"]))
    edge = proxy_point(component([0.0, 1.0, 2.0], 1.49, 1.0))
    assert "may lie beyond" in edge.method
