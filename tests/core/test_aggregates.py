import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gnomon.core.aggregates import mean, uncertainty_weighted, worst_case

scores = arrays.arrays(
    float,
    st.tuples(st.integers(1, 5), st.integers(1, 4)),
    elements=st.floats(-5, 5),
)


def test_closed_forms():
    score_MB = np.array([[1.0, -2.0], [2.0, -2.0], [6.0, -2.0]])
    assert mean(score_MB).tolist() == [3.0, -2.0]
    assert worst_case(score_MB).tolist() == [1.0, -2.0]
    # Variance (4 + 1 + 9) / 3.
    assert uncertainty_weighted(score_MB, 0.3).tolist() == pytest.approx([3 - 0.3 * 14 / 3, -2.0])


@given(scores, st.floats(0, 3))
def test_against_numpy(score_MB, strength):
    assert (worst_case(score_MB) == score_MB.min(axis=0)).all()
    wanted = score_MB.mean(axis=0) - strength * score_MB.var(axis=0)
    np.testing.assert_allclose(uncertainty_weighted(score_MB, strength), wanted, atol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_a_tensor_gives_the_same_and_stays_a_tensor(strength):
    torch = pytest.importorskip("torch")
    score_MB = np.random.default_rng(0).normal(size=(4, 50))
    score = torch.tensor(score_MB)
    for rule in (mean, worst_case, lambda x: uncertainty_weighted(x, strength)):
        assert isinstance(rule(score), torch.Tensor)
        np.testing.assert_allclose(rule(score).numpy(), rule(score_MB), atol=1e-12)
