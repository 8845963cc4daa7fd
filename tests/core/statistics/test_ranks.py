"""Rank correlation against scipy's, ties included."""

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import DataError
from gnomon.core.statistics.ranks import spearman

PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.floats(-1e3, 1e3)), min_size=3, max_size=30)


@given(PAIRS)
def test_it_is_scipys_where_there_is_an_order(pairs: list[tuple[int, float]]) -> None:
    a, b = zip(*pairs, strict=True)
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-9)
    else:
        assert spearman(a, b) == 0.0


def test_lists_of_two_lengths_are_an_error() -> None:
    with pytest.raises(DataError, match="2 values beside 3"):
        spearman([1, 2], [1, 2, 3])
