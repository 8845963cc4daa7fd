import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import PreferenceBatch, columns  # noqa: E402
from gnomon.training.losses.simpo import SimPO  # noqa: E402


def made(rows):
    fields = ("chosen_logp_B", "rejected_logp_B", "chosen_count_B", "rejected_count_B")
    blank = {"chosen_reference_B": [math.nan] * len(rows), "rejected_reference_B": [math.nan] * len(rows)}
    return columns(PreferenceBatch, dict(zip(fields, zip(*rows, strict=True), strict=True)) | blank)


pair = st.tuples(st.floats(-50, 0), st.floats(-50, 0), st.integers(1, 30), st.integers(1, 30))


@given(st.lists(pair, min_size=1, max_size=5), st.floats(0.1, 10), st.floats(0, 5))
def test_equals_the_formula_by_hand_without_a_reference(rows, beta, gamma):
    def one(chosen, rejected, chosen_count, rejected_count):
        m = beta * (chosen / chosen_count - rejected / rejected_count) - gamma
        return max(-m, 0) + math.log1p(math.exp(-abs(m)))

    out = SimPO(beta=beta, gamma=gamma)(batch=made(rows))
    assert out.loss.item() == pytest.approx(sum(one(*r) for r in rows) / len(rows), rel=1e-9, abs=1e-12)


@given(st.floats(-5, 0), st.floats(-5, 0), st.integers(1, 9), st.integers(1, 9))
def test_repeating_a_reply_changes_nothing(chosen, rejected, times, others):
    # The reward is per token: length alone can win nothing.
    once = SimPO()(batch=made([(chosen, rejected, 1, 1)])).loss.item()
    again = SimPO()(batch=made([(chosen * times, rejected * others, times, others)])).loss.item()
    assert again == pytest.approx(once, rel=1e-12)


@pytest.mark.parametrize("wrong", [{"beta": 0.0}, {"gamma": -0.1}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        SimPO(**wrong)
