import math

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import PreferenceBatch, columns  # noqa: E402
from gnomon.training.losses.chi_po import ChiPO  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402

from . import bandit  # noqa: E402


def made(chosen, rejected, dtype=torch.float64):
    """Pairs with the given log-ratios to the reference."""
    zero, one = [0.0] * len(chosen), [1.0] * len(chosen)
    values = {"chosen_logp_B": chosen, "rejected_logp_B": rejected, "chosen_count_B": one, "rejected_count_B": one}
    return columns(PreferenceBatch, {**values, "chosen_reference_B": zero, "rejected_reference_B": zero}, dtype=dtype)


def gradients(loss, batch):
    return torch.autograd.grad(loss(batch=batch).loss, (batch.chosen_logp_B, batch.rejected_logp_B))


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0])
def test_at_the_reference_the_gradient_is_twice_that_of_dpo(beta):
    batch = made([0.0, 0.0], [0.0, 0.0])
    for ours, theirs in zip(gradients(ChiPO(beta=beta), batch), gradients(DPO(beta=beta), batch), strict=True):
        torch.testing.assert_close(ours, 2 * theirs, atol=1e-15, rtol=0)


def test_infinite_data_recover_the_mixed_chi_squared_policy():
    # The optimum of E[r] - beta (chi-squared + KL) has beta phi(pi/pi_ref) = r - const; within the clip it is reached.
    beta, rewards = 0.4, torch.tensor([0.0, 0.5, 1.2], dtype=torch.float64)
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    found = bandit.fitted(ChiPO(beta=beta), reference, bandit.bradley_terry(rewards))
    link = (found - reference).exp() + (found - reference)
    torch.testing.assert_close(beta * (link - link[0]), rewards, atol=1e-5, rtol=0)
    assert found.exp().sum().item() == pytest.approx(1.0)


def test_a_lucky_rare_reply_is_not_made_likely():
    # Over-optimisation in the small. Reply 2 is worthless and rare (1 in 200); it met reply 1 once, and won. Replies 0
    # and 1 are well known and compared without end. DPO ends with nothing but the lucky reply; with chi-squared it
    # grows until z_2 + log z_2 = z_1 + log z_1 + 2R/beta, so to less than (1 + 2R/beta) times the reference.
    true = torch.tensor([0.8, 0.6, 0.0], dtype=torch.float64)
    reference = torch.tensor([0.4975, 0.4975, 0.005], dtype=torch.float64).log()
    share = bandit.bradley_terry(true)
    share[:, 2], share[2] = 0.0, torch.tensor([0.0, 1.0, 0.0])
    policy = {
        type(loss): bandit.descended(loss, reference, share, steps=500, rate=1.0)[-1].exp()
        for loss in (DPO(beta=0.1), ChiPO(beta=0.1, r_max=1.0))
    }
    assert policy[DPO][2] > 0.99
    assert policy[ChiPO][2] < 0.005 * (1 + 2 / 0.1)
    start, dpo, chi = ((p * true).sum().item() for p in (reference.exp(), policy[DPO], policy[ChiPO]))
    assert dpo < 0.01
    assert chi > start - 0.03


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("chosen", "rejected"), [(800.0, 0.0), (800.0, 800.0), (-800.0, 800.0), (61.0, 59.0)])
def test_nothing_overflows(dtype, chosen, rejected):
    batch = made([chosen, 0.1], [rejected, 0.0], dtype)
    out = ChiPO()(batch=batch)
    assert torch.isfinite(out.loss)
    assert all(torch.isfinite(g).all() for g in gradients(ChiPO(), batch))
    assert all(math.isfinite(v) for v in out.metrics.values())


def test_a_pair_beyond_the_clip_is_reported_and_has_no_gradient():
    batch = made([5.0, 0.0], [0.0, 0.0])
    assert ChiPO(beta=1.0, r_max=2.0)(batch=batch).metrics["clipped"] == 0.5
    chosen, _ = gradients(ChiPO(beta=1.0, r_max=2.0), batch)
    assert chosen[0] == 0 != chosen[1]


@pytest.mark.parametrize("wrong", [{"beta": 0.0}, {"r_max": -1.0}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ChiPO(**wrong)
