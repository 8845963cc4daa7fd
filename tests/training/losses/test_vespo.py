import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import SettingsError  # noqa: E402
from gnomon.training.losses.vespo import VESPO  # noqa: E402

from . import rollout_cases as cases  # noqa: E402

# W, phi at (2, 3) for A >= 0 and at (3, 2) for A < 0, as printed in the reference table
TABLE = [(0.1, 0.149, 0.006), (0.5, 1.12, 0.340), (1, 1, 1), (2, 0.199, 1.083), (4, 0.0020, 0.159)]


def phi(weight, good):
    c1, c2 = (2, 3) if good else (3, 2)
    return weight**c1 * torch.e ** (c2 * (1 - weight))


@pytest.mark.parametrize(("weight", "positive", "negative"), TABLE)
def test_kernel_table(weight, positive, negative):
    log_weight = torch.tensor([weight, weight], dtype=torch.float64).log()
    found = VESPO().kernel(log_weight, torch.tensor([0.0, -1.0]))
    assert found[0].item() == pytest.approx(positive, abs=5e-3 if positive > 1 else 5e-4)
    assert found[1].item() == pytest.approx(negative, abs=5e-4)
    assert found.tolist() == pytest.approx([phi(weight, True), phi(weight, False)], rel=1e-12)


@pytest.mark.parametrize(("good", "highest", "at", "bound"), [(True, 1.21, 2 / 3, 2.46), (False, 1.24, 1.5, 1.00)])
def test_height_and_bound_of_the_kernel(good, highest, at, bound):
    weight = torch.logspace(-4, 2, 200_001, dtype=torch.float64)
    found = VESPO().kernel(weight.log(), torch.full_like(weight, 1.0 if good else -1.0))
    assert found.max().item() == pytest.approx(highest, abs=6e-3)
    assert weight[found.argmax()].item() == pytest.approx(at, rel=1e-3)
    assert (found / weight).max().item() == pytest.approx(bound, abs=6e-3)


@given(cases.rollouts, st.floats(0, 1), st.floats(1, 3))
@settings(deadline=None)
def test_equals_the_formula_by_hand_with_the_sampler_once(rows, beta, cap):
    def rollout(r):
        weight = r.whole
        for t in r.tokens:
            weight *= min(t.sampler, cap)
        return [-phi(weight, r.advantage >= 0) * r.advantage * t.logp + beta * t.k3 for t in r.tokens]

    out = VESPO(beta=beta, mismatch_cap=cap)(batch=cases.batch(rows))
    expected = cases.mean(x for r in cases.read(rows) for x in rollout(r))
    assert out.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(cases.rollouts)
@settings(deadline=None)
def test_gradient_is_that_of_a_constant_kernel(rows):
    batch = cases.batch(rows)
    (gradient,) = torch.autograd.grad(VESPO(mismatch_cap=float("inf"))(batch=batch).loss, batch.logp_K)
    size = len(rows)
    log_weight = torch.zeros(size, dtype=torch.float64)
    log_weight = log_weight.index_add(0, batch.owner_K, (batch.logp_K - batch.sampler_logp_K).detach())
    advantage = torch.tensor([a for a, _ in rows], dtype=torch.float64)
    kernel = VESPO().kernel(log_weight, advantage)[batch.owner_K]
    (expected,) = torch.autograd.grad((-kernel.detach() * batch.advantage_K * batch.logp_K).mean(), batch.logp_K)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


def test_length_is_not_divided_away():
    weights = [cases.pushes(VESPO(), cases.one(0.9, 1.0, tokens=n))[0] for n in (1, 10, 60)]
    assert weights == pytest.approx([phi(0.9**n, True) for n in (1, 10, 60)], rel=1e-9)
    assert weights[2] < 1e-3


def test_starvation_is_reported():
    fresh, stale = [(-1.0, 0.0, 0.0, 0.0)] * 4, [(-1.0, 1.5, 0.0, 0.0)] * 4
    metrics = VESPO()(batch=cases.batch([(1.0, fresh), (1.0, stale), (-1.0, stale), (-1.0, stale)])).metrics
    assert metrics["starved"] == 0.75
    assert metrics["phi_mean"] == pytest.approx(0.25, abs=1e-3)
    assert metrics["effective_share"] == pytest.approx(0.25, abs=1e-3)
    wholly = VESPO()(batch=cases.batch([(1.0, [(-1.0, 19.0, 0.0, 0.0)] * 9)])).metrics
    assert wholly["phi_mean"] == pytest.approx(0, abs=1e-12)
    assert wholly["effective_share"] <= 1


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingsError, match="'vespo': c2_negative"):
        VESPO(c2_negative=-1.0)
