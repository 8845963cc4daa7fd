import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import LabelledBatch, columns  # noqa: E402
from gnomon.training.losses.kto import KTO  # noqa: E402

logp = st.floats(-50, 0)
replies = st.lists(st.tuples(logp, logp, logp, logp, st.booleans()), min_size=1, max_size=6)
FIELDS = ("logp_B", "reference_B", "mismatched_logp_B", "mismatched_reference_B", "desirable_B")


def made(rows):
    return columns(LabelledBatch, dict(zip(FIELDS, zip(*rows, strict=True), strict=True)))


@given(replies, st.floats(0.01, 2), st.floats(0, 3), st.floats(0, 3))
def test_equals_the_formula_by_hand(rows, beta, good, bad):
    z0 = max(0.0, sum(m - r for _, _, m, r, _ in rows) / len(rows))
    total = 0.0
    for policy, reference, _, _, desirable in rows:
        gain = beta * ((policy - reference) - z0) * (1 if desirable else -1)
        total += (good if desirable else bad) / (1 + math.exp(gain))
    out = KTO(beta=beta, desirable_weight=good, undesirable_weight=bad)(batch=made(rows))
    assert out.loss.item() == pytest.approx(total / len(rows), rel=1e-9, abs=1e-12)


def test_no_gradient_flows_through_the_estimate_of_the_divergence():
    batch = made([(-3.0, -3.0, -5.0, -9.0, True), (-4.0, -3.0, -5.0, -9.0, False)])
    batch.mismatched_logp_B.requires_grad_(True)
    out = KTO()(batch=batch)
    assert out.metrics["kl"] == pytest.approx(4.0)
    (grad,) = torch.autograd.grad(out.loss, batch.mismatched_logp_B, allow_unused=True)
    assert grad is None


def test_the_gradient_pushes_good_up_and_bad_down_and_saturates():
    batch = made([(-3.0, -3.0, -9.0, -9.0, True), (-3.0, -3.0, -9.0, -9.0, False), (50.0, -50.0, -9.0, -9.0, True)])
    (grad,) = torch.autograd.grad(KTO(beta=0.4)(batch=batch).loss, batch.logp_B)
    assert grad[:2].tolist() == pytest.approx([-0.4 / 4 / 3, 0.4 / 4 / 3])
    assert abs(grad[2].item()) < 1e-12


def test_a_batch_of_one_kind_reports_only_what_it_holds():
    out = KTO()(batch=made([(-2.0, -3.0, -9.0, -9.0, True)]))
    assert out.metrics["desirable_reward"] == pytest.approx(0.1)
    assert out.metrics["accuracy"] == 1.0
    assert not {"undesirable_reward", "margin"} & out.metrics.keys()


@pytest.mark.parametrize("wrong", [{"beta": -1.0}, {"desirable_weight": -1.0}, {"undesirable_weight": math.nan}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        KTO(**wrong)
