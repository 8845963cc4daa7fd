import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from gnomon.charter.coverage import probes_needed


@pytest.mark.parametrize(
    ("rate", "confidence", "n"), [(0.05, 0.95, 59), (0.01, 0.95, 299), (0.1, 0.9, 22), (0.5, 0.5, 1)]
)
def test_known_numbers(rate: float, confidence: float, n: int) -> None:
    assert probes_needed(rate, confidence) == n


@given(st.floats(0.005, 0.9), st.floats(0.5, 0.99))
def test_it_is_the_least_n_whose_clopper_pearson_bound_is_inside_the_line(rate: float, confidence: float) -> None:
    def bound(n: int) -> float:
        return float(binomtest(0, n, alternative="less").proportion_ci(confidence, method="exact").high)

    n = probes_needed(rate, confidence)
    assert bound(n) <= rate + 1e-9
    assert n == 1 or bound(n - 1) > rate - 1e-9
