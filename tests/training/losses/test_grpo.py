import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.dr_grpo import DrGRPO  # noqa: E402
from gnomon.training.losses.grpo import GRPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts, st.floats(0, 0.9), st.floats(0, 2), st.floats(0, 1), st.floats(1, 3))
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows, low, high, beta, cap):
    def token(t, advantage):
        return min(t.sampler, cap) * cases.clipped(t.ratio, advantage, low, high) + beta * t.k3

    out = GRPO(clip_low=low, clip_high=high, beta=beta, mismatch_cap=cap)(batch=cases.batch(rows))
    expected = cases.mean(cases.mean(token(t, r.advantage) for t in r.tokens) for r in cases.read(rows))
    assert out.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "weight"),
    [(1.1, 1, 1.1), (1.3, 1, 0), (0.5, 1, 0.5), (0.9, -1, 0.9), (0.7, -1, 0), (3.0, -1, 3.0)],
)
def test_weight_is_the_ratio_until_the_clip_then_nothing(ratio, advantage, weight):
    assert cases.pushes(GRPO(beta=0), cases.one(ratio, advantage)) == pytest.approx([weight])
    assert GRPO(beta=0)(batch=cases.one(ratio, advantage)).metrics["clip_fraction"] == (weight == 0)


def test_with_equal_lengths_it_is_dr_grpo_up_to_the_limit():
    rows = [(a, [(-1.0, 0.1 * t, 0.0, 0.3) for t in range(5)]) for a in (1.0, -0.5, 2.0)]
    ours, theirs = (loss(beta=0.1)(batch=cases.batch(rows)).loss.item() for loss in (GRPO, DrGRPO))
    assert theirs == pytest.approx(ours * 5 / cases.LIMIT)


def test_metrics_estimate_the_divergences():
    out = GRPO()(batch=cases.batch([(1.0, [(-1.0, 0.5, 0.2, -0.3), (-2.0, -0.1, 0.0, 0.4)])]))
    assert out.metrics["old_k1"] == pytest.approx((0.5 - 0.1) / 2)
    assert out.metrics["reference_k1"] == pytest.approx((0.3 - 0.4) / 2)
    assert out.metrics["reference_k3"] > 0
    assert "reference_k1" not in GRPO(beta=0)(batch=cases.one(1, 1)).metrics


@pytest.mark.parametrize(
    "wrong", [{"clip_low": 1.5}, {"clip_high": -0.1}, {"beta": -1.0}, {"beta": float("nan")}, {"mismatch_cap": 0.5}]
)
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=f"'grpo': {next(iter(wrong))}"):
        GRPO(**wrong)
