"""AUROC and hits at few false alarms: closed forms, coverage by simulation, clusters, the ends."""

import math

import numpy as np
import pytest

from gnomon.core.errors import DataError
from gnomon.core.statistics.roc import auroc, hits


def test_area_is_the_share_of_pairs_in_order() -> None:
    first, second = [3.0, 1.0, 2.0, 2.0], [2.0, 0.0, 5.0]
    pairs = [(a > b) + (a == b) / 2 for a in first for b in second]
    assert auroc(first, second).value == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(second, first).value == pytest.approx(1 - sum(pairs) / len(pairs))


def test_variance_is_that_of_delong() -> None:
    """The formula written out for one small table."""
    first, second = [2.0, 4.0, 5.0, 7.0], [1.0, 3.0, 6.0]
    above = np.array([np.mean([a > b for b in second]) for a in first])
    under = np.array([np.mean([a > b for a in first]) for b in second])
    variance = above.var(ddof=1) / 4 + under.var(ddof=1) / 3
    found = auroc(first, second)
    area = found.value
    half = (math.log(found.high / (1 - found.high)) - math.log(area / (1 - area))) * area * (1 - area)
    assert half / 4.302652729749464 == pytest.approx(math.sqrt(variance), rel=1e-6), "t quantile at 2 degrees"


@pytest.mark.parametrize("clustered", [False, True])
def test_coverage(clustered: bool) -> None:
    """Two normals a unit apart have area Phi(1/sqrt 2); in clusters of 5 that share a shift it is the same."""
    random = np.random.default_rng(1)
    true = 0.5 * (1 + math.erf(0.5))
    inside, draws = 0, 400
    for _ in range(draws):
        groups, names = [], []
        for shift in (1.0, 0.0):
            common = np.repeat(random.normal(size=20), 5)
            own = random.normal(size=100)
            groups.append(shift + (0.8 * common + 0.6 * own if clustered else own))
            names.append([f"{shift}/{i // 5}" for i in range(100)])
        found = auroc(*groups, first_clusters=names[0], second_clusters=names[1])
        inside += found.low <= true <= found.high
    assert 0.92 <= inside / draws <= 0.985


def test_one_document_on_both_sides_is_one_cluster() -> None:
    """Values that rise together in both groups say less of the order within a document than single ones would."""
    random = np.random.default_rng(2)
    common = random.normal(size=40)
    first, second = common + 0.3, common + random.normal(scale=0.1, size=40)
    names = [str(i) for i in range(40)]
    together = auroc(first, second, first_clusters=names, second_clusters=names)
    apart = auroc(first, second)
    assert together.value == apart.value
    assert together.high - together.low < apart.high - apart.low


def test_groups_that_do_not_overlap_have_a_bound_and_not_certainty() -> None:
    found = auroc([2.0] * 10, [1.0] * 30)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 10), abs=1e-6)
    assert auroc([0.0] * 10, [1.0] * 30).high == pytest.approx(1 - 0.025 ** (1 / 10), abs=1e-6)


def test_hits_at_a_rate_of_false_alarms() -> None:
    second = [float(i) for i in range(200)]
    found = hits([197.5, 198.5, 500.0, 3.0], second, at=0.01)
    assert found.threshold == 197.0
    assert found.hits is not None
    assert found.alarms is not None
    assert (found.hits.value, found.alarms.value) == (0.75, 0.01)
    assert found.alarms.high > 0.03, "the threshold stands on two values"


def test_a_group_too_small_for_the_rate_is_said() -> None:
    found = hits([1.0], [0.0] * 999, at=0.001)
    assert found.hits is None
    assert "1000" in found.why
    assert hits([1.0], [0.0] * 1000, at=0.001).hits is not None


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(DataError, match="each group"):
        auroc([], [1.0])
    with pytest.raises(DataError, match="finite"):
        auroc([math.nan], [1.0])
    with pytest.raises(DataError, match="between 0 and 1"):
        hits([1.0], [0.0], at=0.0)
