"""Pairs against scipy's t test, the exact sign test, and what happens with more samples."""

import numpy as np
import pytest
from scipy import stats

from gnomon.core.errors import DataError
from gnomon.core.statistics.paired import difference, flipped, paired
from gnomon.core.stats import clopper_pearson, mcnemar


def alone(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def test_independent_items_are_a_paired_t_test() -> None:
    random = np.random.default_rng(0)
    old, new = random.normal(size=30), random.normal(0.3, 1, size=30)
    found = paired([[v] for v in old], [[v] for v in new], alone(30), unit="score")
    peer = stats.ttest_rel(new, old)
    low, high = peer.confidence_interval(0.95)
    # Tails heavier than a normal's cost degrees of freedom: never narrower than the plain test.
    assert found.difference.low <= low + 1e-9
    assert found.difference.high >= high - 1e-9
    assert found.difference.high - found.difference.low < 1.03 * (high - low)
    assert found.p == pytest.approx(peer.pvalue, abs=0.02)
    assert found.correlation.value == pytest.approx(np.corrcoef(old, new)[0, 1])


@pytest.mark.parametrize(("fell", "rose"), [(0, 5), (2, 9), (4, 4), (1, 0)])
def test_single_zeros_and_ones_are_the_exact_mcnemar(fell: int, rose: int) -> None:
    before = [[1]] * fell + [[0]] * rose + [[0]] * 7
    after = [[0]] * fell + [[1]] * rose + [[0]] * 7
    found = paired(before, after, alone(len(before)), unit="rate")
    assert found.p == pytest.approx(mcnemar(fell, rose))
    assert (found.fell, found.rose) == (fell, rose)


def test_more_flips_than_can_be_listed_come_near_the_exact_value() -> None:
    totals = np.array([1.0] * 16 + [-1.0] * 6)
    p, test = flipped(totals)
    assert p == pytest.approx(mcnemar(16, 6), abs=0.015)
    assert "9999" in test
    assert flipped(totals) == (p, test)


def test_more_samples_narrow_and_copies_of_a_sample_do_not() -> None:
    random = np.random.default_rng(1)
    skill = random.random(60)
    rounds = {s: [[float(random.random() < q) for _ in range(s)] for q in skill] for s in (1, 20)}
    width = {}
    for s, other in rounds.items():
        e = paired(other, [[min(1.0, v + 0.0) for v in own] for own in other[::-1]][::-1], alone(60), unit="rate")
        assert e.difference.value == 0
        fresh = [[float(random.random() < q) for _ in range(s)] for q in skill]
        e = paired(other, fresh, alone(60), unit="rate")
        width[s] = e.difference.high - e.difference.low
        copied = paired([own * 3 for own in other], [own * 3 for own in fresh], alone(60), unit="rate")
        assert copied.difference.low == pytest.approx(e.difference.low)
    assert width[20] < 0.4 * width[1]


def test_clusters_that_agree_count_once() -> None:
    before, after = [[0]] * 40, [[1]] * 20 + [[0]] * 20
    apart = paired(before, after, alone(40), unit="rate")
    together = paired(before, after, [str(i // 10) for i in range(40)], unit="rate")
    assert together.p == 0.5
    assert apart.p < 1e-3
    assert together.difference.high - together.difference.low > 3 * (apart.difference.high - apart.difference.low)


def test_no_change_at_all_is_not_certainty() -> None:
    few, many = (paired([[1]] * n, [[1]] * n, alone(n), unit="rate").difference for n in (20, 200))
    assert few.value == 0
    # As many clusters that fell as 20 clean ones leave possible: Clopper-Pearson's upper end for 0 of 20.
    assert (-few.low, few.high) == pytest.approx((clopper_pearson(0, 20).high,) * 2)
    assert many.high < 0.12 * few.high
    graded = paired([[0.5]] * 9, [[0.5]] * 9, alone(9), unit="score").difference
    assert "no interval" in graded.method


def test_swapped_sides_mirror_the_result() -> None:
    random = np.random.default_rng(2)
    a, b = ([[v] for v in random.normal(size=24)] for _ in range(2))
    clusters = [str(i // 3) for i in range(24)]
    there, back = paired(a, b, clusters, unit="score"), paired(b, a, clusters, unit="score")
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert there.p == pytest.approx(back.p)


def test_sides_that_do_not_match_are_an_error() -> None:
    with pytest.raises(DataError, match="item by item"):
        paired([[1]], [[1], [0]], ["a"], unit="rate")
    with pytest.raises(DataError, match="no sample after"):
        paired([[1]], [[]], ["a"], unit="rate")


def test_a_difference_is_the_interval_of_the_paired_comparison() -> None:
    before, after, names = [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "c"]
    whole = paired([[v] for v in before], [[v] for v in after], names, unit="rate")
    assert difference(before, after, names, bounds=(0, 1), unit="rate") == whole.difference


def test_a_difference_sees_what_unpaired_intervals_hide() -> None:
    random = np.random.default_rng(0)
    before = random.normal(0, 5, 200)
    after = before + 0.3 + random.normal(0, 0.1, 200)
    e = difference(before.tolist(), after.tolist(), [str(i // 4) for i in range(200)], unit="score")
    assert 0.25 < e.low < e.value < e.high < 0.35
    assert e.method.startswith("paired")
    with pytest.raises(DataError, match="pair item by item"):
        difference([1.0], [1.0, 2.0], ["a"], unit="score")


def test_items_that_balance_within_every_cluster_leave_the_difference_a_width() -> None:
    """Cluster totals are all 0; the size counts for at most 1.5 times the items, as for rates."""
    names = ["a", "a", "b", "b", "c", "c", "d", "d"]
    found = difference([1, 0] * 4, [0, 1] * 4, names, bounds=(0.0, 1.0), unit="rate")
    half = stats.t.ppf(0.975, 3) * (1 / (1.5 * 8)) ** 0.5
    assert (found.low, found.high) == pytest.approx((-half, half))
