import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.rloo import RLOO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts, st.floats(0, 1), st.floats(0, 3), st.floats(1, 3))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, low, high, cap):
    def rollout(r):
        sampler = 1.0
        for t in r.tokens:
            sampler *= t.sampler
        return min(sampler, cap) * cases.clipped(r.whole, r.advantage, low, high)

    out = RLOO(clip_low=low, clip_high=high, mismatch_cap=cap)(batch=cases.batch(rows))
    assert out.loss.item() == pytest.approx(cases.mean(map(rollout, cases.read(rows))), rel=1e-9, abs=1e-12)


def test_on_its_own_samples_the_gradient_is_reinforce_whatever_the_length():
    batch = cases.batch([(1.5, [(-1.0, 0.0, 0.0, 0.0)]), (-2.0, [(-0.3, 0.0, 0.0, 0.0)] * 4)])
    (gradient,) = torch.autograd.grad(RLOO()(batch=batch).loss, batch.logp_K)
    assert gradient.tolist() == pytest.approx([-1.5 / 2] + [2.0 / 2] * 4)


def test_without_a_clip_it_is_plain_importance_sampling():
    batch = cases.one(1.5, 1.0, tokens=4)
    assert cases.pushes(RLOO(clip_low=1.0, clip_high=float("inf")), batch) == pytest.approx([4 * 1.5**4] * 4)
    assert cases.pushes(RLOO(), batch) == [0.0] * 4
    assert RLOO()(batch=batch).metrics["weight_max"] == pytest.approx(1.5**4)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'rloo': clip_low"):
        RLOO(clip_low=1.1)
