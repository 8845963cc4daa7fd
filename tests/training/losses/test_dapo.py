import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.dapo import DAPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts, st.floats(0, 0.9), st.floats(0, 2), st.floats(0, 1))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, low, high, beta):
    def token(t, advantage):
        return min(t.sampler, 2) * cases.clipped(t.ratio, advantage, low, high) + beta * t.k3

    out = DAPO(clip_low=low, clip_high=high, beta=beta)(batch=cases.batch(rows))
    expected = cases.mean(token(t, r.advantage) for r in cases.read(rows) for t in r.tokens)
    assert out.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("ratio", "weight"), [(1.27, 1.27), (1.29, 0), (0.7, 0.7)])
def test_there_is_more_room_upwards(ratio, weight):
    assert cases.pushes(DAPO(), cases.one(ratio, 1.0)) == pytest.approx([weight])


def test_every_token_of_the_batch_weighs_the_same():
    batch = cases.batch([(1.0, [(-1.0, 0.0, 0.0, 0.0)] * n) for n in (1, 5)])
    assert cases.pushes(DAPO(), batch) == pytest.approx([1.0] * 6)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'dapo': clip_high"):
        DAPO(clip_high=-1.0)
