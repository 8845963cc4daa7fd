import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.gspo import GSPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, low, high, beta):
    def rollout(r):
        clip = cases.clipped(r.whole ** (1 / len(r.tokens)), r.advantage, low, high)
        return cases.mean(min(t.sampler, 2) * clip + beta * t.k3 for t in r.tokens)

    out = GSPO(clip_low=low, clip_high=high, beta=beta)(batch=cases.batch(rows))
    assert out.loss.item() == pytest.approx(cases.mean(map(rollout, cases.read(rows))), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "weight"), [(1.0003, 1, 1.0003), (1.0005, 1, 0), (0.9, 1, 0.9), (0.9996, -1, 0)]
)
def test_a_whole_rollout_passes_or_is_stopped(ratio, advantage, weight):
    assert cases.pushes(GSPO(), cases.one(ratio, advantage, tokens=3)) == pytest.approx([weight] * 3)
    assert GSPO()(batch=cases.one(ratio, advantage)).metrics["clip_fraction"] == (weight == 0)


def test_one_wild_token_moves_all_of_its_rollout_by_its_share():
    batch = cases.batch([(1.0, [(-1.0, -0.6, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0)])])
    assert cases.pushes(GSPO(clip_high=1.0), batch) == pytest.approx([torch.e**0.2] * 3)


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'gspo': beta"):
        GSPO(beta=-1.0)
