import math

import pytest

torch = pytest.importorskip("torch")
scipy_integrate = pytest.importorskip("scipy.integrate")
from scipy.special import expit, ndtr  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import GaussianRewardBatch, RewardBatch, columns  # noqa: E402
from gnomon.training.losses.gaussian_reward import GaussianReward  # noqa: E402
from gnomon.training.losses.reward import Reward  # noqa: E402


def made(difference, variance):
    half = math.log(variance / 2)
    values = {"chosen_mean_B": [difference], "rejected_mean_B": [0.0]}
    return columns(GaussianRewardBatch, {**values, "chosen_log_variance_B": [half], "rejected_log_variance_B": [half]})


def expected(curve, difference, variance):
    """E[curve(s)] for s from N(difference, variance), by quadrature."""
    deviation = math.sqrt(variance)

    def weighted(z):
        return curve(difference + deviation * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return scipy_integrate.quad(weighted, -12, 12, points=[-difference / deviation], limit=400)[0]


POINTS = [(d, v) for d in (-6.0, -2.0, -0.5, 0.0, 1.0, 4.0) for v in (0.01, 0.5, 2.0, 9.0, 60.0)]


@pytest.mark.parametrize(("difference", "variance"), POINTS)
def test_logistic_is_near_the_integral_and_probit_is_the_integral(difference, variance):
    batch = made(difference, variance)
    close = math.exp(-GaussianReward()(batch=batch).loss.item())
    assert close == pytest.approx(expected(expit, difference, variance), abs=0.02)
    exact = math.exp(-GaussianReward(link="probit")(batch=batch).loss.item())
    assert exact == pytest.approx(expected(ndtr, difference, variance), abs=1e-7)


def test_without_doubt_it_is_the_plain_reward_model():
    gaussian = made(1.3, 1e-30)
    plain = columns(RewardBatch, {"chosen_reward_B": [1.3], "rejected_reward_B": [0.0], "margin_B": [0.0]})
    assert GaussianReward()(batch=gaussian).loss.item() == pytest.approx(Reward()(batch=plain).loss.item(), rel=1e-12)


@pytest.mark.parametrize("link", ["logistic", "probit"])
def test_doubt_grows_where_a_pair_is_ranked_wrongly_and_shrinks_where_rightly(link):
    for difference, sign in ((-2.0, -1), (2.0, 1)):
        batch = made(difference, 1.0)
        loss = GaussianReward(link=link)(batch=batch).loss
        (grad,) = torch.autograd.grad(loss, batch.chosen_log_variance_B)
        assert sign * grad.item() > 0


def test_the_other_reading_can_only_lose_by_doubt():
    # Why the loss is -log E[sigma(s)]: E[-log sigma(s)] is convex in s, so it falls with the variance at every mean.
    for difference in (-2.0, 0.0, 2.0):
        costs = [expected(lambda s: math.log1p(math.exp(-s)), difference, v) for v in (0.01, 1.0, 4.0)]
        assert costs == sorted(costs)


@pytest.mark.parametrize("link", ["logistic", "probit"])
@pytest.mark.parametrize("log_variance", [-500.0, 0.0, 80.0])
def test_extremes_stay_finite(link, log_variance):
    values = {"chosen_mean_B": [-300.0, 300.0], "rejected_mean_B": [300.0, -300.0]}
    both = [log_variance, log_variance]
    values |= {"chosen_log_variance_B": both, "rejected_log_variance_B": both}
    batch = columns(GaussianRewardBatch, values, dtype=torch.float32)
    loss = GaussianReward(link=link)(batch=batch).loss
    inputs = [getattr(batch, name) for name in GaussianRewardBatch.GRADIENT]
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(loss, inputs))


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="centring"):
        GaussianReward(centring=-0.01)
