"""Best-of-n against exhaustive enumeration and closed forms."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError
from gnomon.limits.best_of_n import expected, grid, kl_bound, kl_exact, kl_term, kl_tight, weights

numbers = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=7)


def enumerated(proxy, values, n):
    """Mean over all n-subsets of the value of the best by proxy; ties averaged."""
    total = []
    for subset in itertools.combinations(range(len(proxy)), n):
        top = max(proxy[i] for i in subset)
        best = [values[i] for i in subset if proxy[i] == top]
        total.append(sum(best) / len(best))
    return sum(total) / len(total)


@settings(max_examples=60, deadline=None)
@given(numbers, st.data())
def test_expected_is_the_mean_over_all_subsets(proxy, data):
    values = data.draw(st.lists(st.floats(-5, 5), min_size=len(proxy), max_size=len(proxy)))
    n = data.draw(st.integers(1, len(proxy)))
    assert expected(proxy, values, n) == pytest.approx(enumerated(proxy, values, n), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(numbers, st.randoms())
def test_order_of_samples_does_not_matter(proxy, rng):
    values = [rng.random() for _ in proxy]
    pairs = list(zip(proxy, values, strict=True))
    rng.shuffle(pairs)
    for n in range(1, len(proxy) + 1):
        other = expected([p for p, _ in pairs], [v for _, v in pairs], n)
        assert expected(proxy, values, n) == pytest.approx(other, abs=1e-12)


def test_unbiased_for_a_discrete_distribution():
    # Replies 0..4 with these probabilities; proxy rises, gold falls at the top; best of 3 drawn with replacement.
    p, gold, n = [0.4, 0.25, 0.2, 0.1, 0.05], [0.1, 0.4, 0.8, 0.9, -2.0], 3
    cumulative = list(itertools.accumulate(p, initial=0.0))
    exact = sum(g * (hi**n - lo**n) for g, lo, hi in zip(gold, cumulative, cumulative[1:], strict=False))
    rng = random.Random(1)
    draws = 4000
    got = []
    for _ in range(draws):
        sample = rng.choices(range(5), p, k=12)
        got.append(expected([float(i) for i in sample], [gold[i] for i in sample], n))
    mean = sum(got) / draws
    error = math.sqrt(sum((g - mean) ** 2 for g in got) / draws / draws)
    assert abs(mean - exact) < 4 * error


def test_weights_sum_to_one_and_end_at_the_best():
    proxy = [0.5, 0.1, 0.9, 0.3]
    for n in range(1, 5):
        assert sum(weights(proxy, n)) == pytest.approx(1)
    assert weights(proxy, 1) == [0.25] * 4
    assert weights(proxy, 4) == [0, 0, 1, 0]


@pytest.mark.parametrize(("n", "exact", "bound", "tight"), [(64, 3.158, 3.175, 3.167), (1000, 4.605, 5.909, 4.605)])
def test_published_numbers_for_a_hundred_equal_replies(n, exact, bound, tight):
    assert round(kl_exact([0.01] * 100, n), 3) == exact
    assert round(kl_bound(n), 3) == bound
    assert round(kl_term(math.log(0.01), n), 3) == tight


def test_two_replies_make_the_bound_loose():
    assert kl_exact([0.5, 0.5], 64) == pytest.approx(math.log(2), abs=1e-6)
    assert kl_bound(64) > 3.17


@pytest.mark.parametrize(
    ("n", "d"), [(2, 0.44), (4, 0.80), (8, 1.10), (16, 1.35), (64, 1.78), (256, 2.13), (1000, 2.43), (60000, 3.16)]
)
def test_distance_table(n, d):
    assert math.sqrt(kl_bound(n)) == pytest.approx(d, abs=0.0051)


@given(st.integers(1, 10_000), st.floats(-200, -1e-9))
def test_tight_estimator_stays_under_the_bound_and_above_zero(n, log_p):
    assert -1e-9 <= kl_term(log_p, n) <= kl_bound(n) + 1e-6


def test_tight_estimator_reaches_the_bound_for_long_replies():
    for n in (1, 2, 64):
        assert kl_term(-5000.0, n) == pytest.approx(kl_bound(n), abs=1e-9)
        assert kl_term(-30.0, n) == pytest.approx(kl_bound(n), abs=1e-6)
    assert kl_tight([math.log(0.01)] * 100, [float(i) for i in range(100)], 64) == pytest.approx(3.167, abs=1e-3)


def test_errors_say_what_to_write():
    with pytest.raises(DataError, match="between 1 and 2"):
        weights([0.1, 0.2], 3)
    with pytest.raises(DataError, match="one of each"):
        expected([0.1], [0.1, 0.2], 1)
    with pytest.raises(DataError, match="finite"):
        weights([math.nan, 0.1], 1)
    with pytest.raises(DataError, match="at most 0"):
        kl_term(0.1, 3)
    assert grid(64) == [1, 2, 4, 8, 16, 32, 64]
    assert grid(0) == []
