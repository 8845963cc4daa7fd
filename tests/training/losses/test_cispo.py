import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.cispo import CISPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts, st.floats(0, 2), st.floats(0, 1))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, high, beta):
    def token(t, advantage):
        return -min(t.sampler, 2) * min(t.ratio, 1 + high) * advantage * t.logp + beta * t.k3

    out = CISPO(clip_high=high, beta=beta)(batch=cases.batch(rows))
    expected = cases.mean(token(t, r.advantage) for r in cases.read(rows) for t in r.tokens)
    assert out.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("advantage", [1.0, -2.0])
@pytest.mark.parametrize(("ratio", "weight"), [(0.01, 0.01), (1.0, 1.0), (4.9, 4.9), (50.0, 5.0)])
def test_the_weight_is_cut_but_never_zero(ratio, advantage, weight):
    out = CISPO()(batch=cases.one(ratio, advantage))
    assert cases.pushes(CISPO(), cases.one(ratio, advantage)) == pytest.approx([weight])
    assert out.metrics["clip_fraction"] == (ratio > 5)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'cispo': clip_high"):
        CISPO(clip_high=-1.0)
