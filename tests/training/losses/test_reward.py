import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.batches import RewardBatch, columns  # noqa: E402
from gnomon.training.losses.reward import Reward  # noqa: E402

rows = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-1, 3)), min_size=1, max_size=5)


def made(rows):
    chosen, rejected, margin = zip(*rows, strict=True)
    return columns(RewardBatch, {"chosen_reward_B": chosen, "rejected_reward_B": rejected, "margin_B": margin})


@given(rows, st.floats(0, 1))
def test_equals_the_formula_by_hand(rows, eta):
    def one(chosen, rejected, margin):
        x = chosen - rejected - margin
        return max(-x, 0) + math.log1p(math.exp(-abs(x))) + eta * (chosen + rejected) ** 2

    loss = Reward(centring=eta)(batch=made(rows)).loss.item()
    assert loss == pytest.approx(sum(one(*r) for r in rows) / len(rows), rel=1e-9, abs=1e-12)


@given(rows, st.floats(-5, 5))
def test_only_centring_sees_the_zero(rows, shift):
    moved = [(c + shift, r + shift, m) for c, r, m in rows]
    assert Reward()(batch=made(moved)).loss.item() == pytest.approx(Reward()(batch=made(rows)).loss.item(), abs=1e-9)
    batch = made([(0.3 + shift, -0.3 + shift, 0.0)])
    grads = torch.autograd.grad(
        Reward(centring=0.5)(batch=batch).loss, (batch.chosen_reward_B, batch.rejected_reward_B)
    )
    assert (grads[0] + grads[1]).item() == pytest.approx(4 * shift, abs=1e-9)  # 2 eta (2 shift), once for each reward


def test_descent_recovers_bradley_terry_strengths_centred():
    true = torch.tensor([0.0, 0.7, 1.9], dtype=torch.float64)
    found = torch.full((3,), 4.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=300, tolerance_grad=1e-12, line_search_fn="strong_wolfe")
    a, b = torch.nonzero(~torch.eye(3, dtype=torch.bool), as_tuple=True)
    wins = torch.sigmoid(true[a] - true[b])

    def closure():
        optimizer.zero_grad()
        none = torch.zeros(1, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for i, j, share in zip(a, b, wins, strict=True):
            batch = RewardBatch(chosen_reward_B=found[i : i + 1], rejected_reward_B=found[j : j + 1], margin_B=none)
            total = total + share * Reward(centring=1e-4)(batch=batch).loss
        total.backward()
        return total

    optimizer.step(closure)
    torch.testing.assert_close(found.detach(), true - true.mean(), atol=2e-3, rtol=0)


def test_metrics_are_of_the_rewards_themselves():
    metrics = Reward()(batch=made([(2.0, 1.0, 5.0), (0.0, 3.0, 0.0)])).metrics
    assert metrics == {"margin": -1.0, "accuracy": 0.5, "chosen_reward": 1.0, "rejected_reward": 2.0}


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="centring"):
        Reward(centring=-0.01)
