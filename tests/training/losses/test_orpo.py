import math
from decimal import Decimal, getcontext

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.orpo import ORPO, _log_odds  # noqa: E402

from .test_simpo import made  # noqa: E402


@pytest.mark.parametrize("logp", [-1e-12, -1e-6, -0.1, -0.6931471805599453, -0.7, -5.0, -40.0, -700.0])
def test_log_odds_keep_all_digits(logp):
    getcontext().prec = 60
    p = Decimal(logp).exp()
    x = torch.tensor([logp], dtype=torch.float64, requires_grad=True)
    odds = _log_odds(x)
    assert odds.item() == pytest.approx(float(p.ln() - (1 - p).ln()), rel=1e-14)
    odds.sum().backward()
    assert x.grad.item() == pytest.approx(float(1 / (1 - p)), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_certainty_and_impossibility_stay_finite(dtype):
    x = torch.tensor([0.0, -1e-30, -1e30], dtype=dtype, requires_grad=True)
    odds = _log_odds(x)
    odds.sum().backward()
    assert torch.isfinite(odds).all()
    assert torch.isfinite(x.grad).all()


def test_gradient_is_that_of_the_paper():
    # Of the odds term: -lambda delta h, delta = 1 / (1 + odds ratio), h = grad log p_w / (1 - p_w) - the same of l.
    batch = made([(2 * math.log(0.6), 3 * math.log(0.3), 2, 3)])
    chosen, rejected = torch.autograd.grad(
        ORPO(lam=0.7)(batch=batch).loss, (batch.chosen_logp_B, batch.rejected_logp_B)
    )
    delta = 1 / (1 + (0.6 / 0.4) / (0.3 / 0.7))
    assert chosen.item() == pytest.approx(-(1 + 0.7 * delta / 0.4) / 2)
    assert rejected.item() == pytest.approx(0.7 * delta / 0.7 / 3)


def test_metrics_show_both_terms():
    metrics = ORPO()(batch=made([(2 * math.log(0.75), 3 * math.log(0.25), 2, 3)])).metrics
    assert metrics["chosen_nll"] == pytest.approx(math.log(4 / 3))
    assert metrics["log_odds_ratio"] == pytest.approx(math.log(9))
    assert metrics["margin"] == pytest.approx(math.log(3))


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="lam"):
        ORPO(lam=-0.1)
