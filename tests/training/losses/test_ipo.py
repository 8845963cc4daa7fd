import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402
from gnomon.training.losses.ipo import IPO  # noqa: E402

from . import bandit  # noqa: E402

EVEN = torch.tensor([0.5, 0.5], dtype=torch.float64).log()
ALWAYS = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize("tau", [0.1, 0.5, 2.0])
def test_certain_preferences_stop_at_the_gap_that_the_paper_names(tau):
    found = bandit.fitted(IPO(tau=tau), EVEN, ALWAYS)
    assert (found[0] - found[1]).item() == pytest.approx(1 / (2 * tau), rel=1e-6)


def test_the_gap_is_bounded_where_that_of_dpo_grows_for_ever():
    path = bandit.descended(IPO(tau=0.1), EVEN, ALWAYS, steps=400, rate=0.05)
    bounded = path[:, 0] - path[:, 1]
    assert bounded.max() <= 5 + 1e-9
    assert bounded[-1].item() == pytest.approx(5.0, abs=1e-6)
    path = bandit.descended(DPO(beta=1.0), EVEN, ALWAYS, steps=2000, rate=5.0)
    growing = path[:, 0] - path[:, 1]
    # The logistic gradient falls like 1/t, so the gap gains log 2 each time that the steps double, without end.
    assert growing[-1] > 8
    assert (growing[1999] - growing[999]).item() == pytest.approx(0.693, rel=0.02)
    assert (growing[999] - growing[499]).item() == pytest.approx(0.693, rel=0.03)


def test_noisy_preferences_give_a_gap_linear_in_the_share_of_wins():
    # A wins a share p: D = (2p - 1) / (2 tau), where DPO's would be log(p / (1 - p)) / beta.
    share = torch.tensor([[0.0, 0.8], [0.2, 0.0]], dtype=torch.float64)
    found = bandit.fitted(IPO(tau=0.25), EVEN, share)
    assert (found[0] - found[1]).item() == pytest.approx(0.6 / 0.5, rel=1e-6)


def test_at_its_target_it_has_no_gradient_and_says_so_in_the_margin():
    policy = torch.tensor([-1.0, -6.0], dtype=torch.float64, requires_grad=True)
    batch = bandit.pairs(policy, torch.tensor([-3.0, -3.0], dtype=torch.float64), torch.tensor([0]), torch.tensor([1]))
    out = IPO(tau=0.1)(batch=batch)
    out.loss.backward()
    assert out.metrics["margin"] == pytest.approx(0.5)
    assert policy.grad.abs().max() < 1e-12


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="tau"):
        IPO(tau=0.0)
