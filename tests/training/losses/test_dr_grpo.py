import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.dr_grpo import DrGRPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts, st.floats(0, 0.9), st.floats(0, 2), st.floats(0, 1))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, low, high, beta):
    def token(t, advantage):
        return min(t.sampler, 2) * cases.clipped(t.ratio, advantage, low, high) + beta * t.k3

    out = DrGRPO(clip_low=low, clip_high=high, beta=beta)(batch=cases.batch(rows))
    expected = sum(token(t, r.advantage) for r in cases.read(rows) for t in r.tokens) / (cases.LIMIT * len(rows))
    assert out.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_token_weighs_the_same_in_a_short_and_in_a_long_rollout():
    batch = cases.batch([(1.0, [(-1.0, 0.0, 0.0, 0.0)] * n) for n in (1, 5)])
    assert cases.pushes(DrGRPO(), batch) == pytest.approx([6 / (2 * cases.LIMIT)] * 6)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'dr_grpo': clip_low"):
        DrGRPO(clip_low=2.0)
