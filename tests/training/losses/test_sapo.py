import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.sapo import SAPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


def sigmoid(x):
    return 1 / (1 + torch.e**-x)


@given(cases.rollouts, st.floats(0.1, 4), st.floats(0.1, 4), st.floats(0, 1))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, positive, negative, beta):
    def token(t, advantage):
        tau = positive if advantage > 0 else negative
        return -min(t.sampler, 2) * 4 / tau * sigmoid(tau * (t.ratio - 1)) * advantage + beta * t.k3

    out = SAPO(tau_positive=positive, tau_negative=negative, beta=beta)(batch=cases.batch(rows))
    expected = cases.mean(cases.mean(token(t, r.advantage) for t in r.tokens) for r in cases.read(rows))
    assert out.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 1.5, 4.0])
@pytest.mark.parametrize(("advantage", "tau"), [(1.0, 1.0), (-1.0, 1.05)])
def test_weight_is_four_s_one_minus_s_r(ratio, advantage, tau):
    s = sigmoid(tau * (ratio - 1))
    out = SAPO()(batch=cases.one(ratio, advantage))
    assert cases.pushes(SAPO(), cases.one(ratio, advantage)) == pytest.approx([4 * s * (1 - s) * ratio])
    assert out.metrics["closed_fraction"] == (4 * s * (1 - s) < 0.5)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'sapo': tau_negative"):
        SAPO(tau_negative=0.0)
