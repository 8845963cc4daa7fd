import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import PreferenceBatch, columns  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402

from . import bandit  # noqa: E402

logp = st.floats(-50, 0)
pairs = st.lists(st.tuples(logp, logp, logp, logp, st.integers(1, 30)), min_size=1, max_size=5)
FIELDS = ("chosen_logp_B", "rejected_logp_B", "chosen_reference_B", "rejected_reference_B", "chosen_count_B")


def made(rows):
    values = dict(zip(FIELDS, zip(*rows, strict=True), strict=True))
    return columns(PreferenceBatch, {**values, "rejected_count_B": values["chosen_count_B"]})


@given(pairs, st.floats(0.01, 5), st.floats(0, 0.49), st.floats(0, 2))
def test_equals_the_formula_by_hand(rows, beta, smoothing, alpha):
    def one(chosen, rejected, chosen_reference, rejected_reference, count):
        m = beta * ((chosen - chosen_reference) - (rejected - rejected_reference))
        softplus = [max(x, 0) + math.log1p(math.exp(-abs(x))) for x in (-m, m)]
        return (1 - smoothing) * softplus[0] + smoothing * softplus[1] + alpha * -chosen / count

    out = DPO(beta=beta, label_smoothing=smoothing, rpo_alpha=alpha)(batch=made(rows))
    assert out.loss.item() == pytest.approx(sum(one(*r) for r in rows) / len(rows), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0])
def test_gradient_at_the_start_is_half_beta_times_that_of_the_margin(beta):
    batch = made([(-3.0, -5.0, -3.0, -5.0, 4), (-8.0, -2.0, -8.0, -2.0, 4)])
    out = DPO(beta=beta)(batch=batch)
    assert out.loss.item() == pytest.approx(math.log(2), abs=1e-12)
    chosen, rejected = torch.autograd.grad(out.loss, (batch.chosen_logp_B, batch.rejected_logp_B))
    assert chosen.tolist() == pytest.approx([-beta / 2 / 2] * 2)
    assert rejected.tolist() == pytest.approx([beta / 2 / 2] * 2)


def test_descent_finds_the_policy_that_the_theory_names():
    # Three actions, true rewards r, infinite data from Bradley-Terry: pi is proportional to pi_ref exp(r / beta).
    beta, rewards = 0.7, torch.tensor([0.0, 0.5, 1.2], dtype=torch.float64)
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    found = bandit.fitted(DPO(beta=beta), reference, bandit.bradley_terry(rewards)).exp()
    torch.testing.assert_close(found, (reference + rewards / beta).softmax(0), atol=1e-5, rtol=0)


def test_smoothing_undoes_labels_that_were_flipped_at_that_rate():
    # A pair that is always won, labelled wrongly in a share e: the optimum is the finite gap log((1 - e)/e) / beta.
    reference = torch.tensor([0.5, 0.5], dtype=torch.float64).log()
    always = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    found = bandit.fitted(DPO(beta=0.5, label_smoothing=0.1), reference, always)
    assert (found[0] - found[1]).item() == pytest.approx(math.log(9) / 0.5, rel=1e-6)


def test_metrics_tell_displacement_from_learning():
    # Both fall, the rejected one further: the margin grows while the chosen reply becomes less likely.
    out = DPO(beta=0.5)(batch=made([(-6.0, -12.0, -4.0, -4.0, 2)]))
    assert out.metrics["margin"] == pytest.approx(3.0)
    assert out.metrics["chosen_reward"] == pytest.approx(-1.0)
    assert out.metrics["accuracy"] == 1.0
    assert (out.metrics["chosen_logp"], out.metrics["rejected_logp"]) == (-6.0, -12.0)


@pytest.mark.parametrize("wrong", [{"beta": 0.0}, {"beta": math.nan}, {"label_smoothing": 0.5}, {"rpo_alpha": -1.0}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        DPO(**wrong)
