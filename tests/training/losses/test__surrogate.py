import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402

from gnomon.models.logprobs import k3  # noqa: E402
from gnomon.training.losses import _surrogate as surrogate  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts)
@settings(deadline=None)
def test_three_ways_to_average(rows):
    batch = cases.batch(rows)
    value = torch.arange(1.0, len(batch.owner_K) + 1, dtype=torch.float64)
    by_rollout = [value[batch.owner_K == b] for b in range(len(rows))]
    assert surrogate.token_mean(value, batch).item() == pytest.approx(value.mean().item())
    assert surrogate.rollout_mean(value, batch).item() == pytest.approx(cases.mean(v.mean().item() for v in by_rollout))
    assert surrogate.limit_mean(value, batch).item() == pytest.approx(value.sum().item() / (len(rows) * cases.LIMIT))
    assert surrogate.total(value, batch).tolist() == pytest.approx([v.sum().item() for v in by_rollout])


@given(cases.rollouts)
@settings(deadline=None)
def test_penalty_is_k3_and_reads_nothing_at_zero(rows):
    batch = cases.batch(rows)
    torch.testing.assert_close(surrogate.penalty(batch, 0.3), 0.3 * k3(batch.logp_K, batch.reference_K))
    blank = torch.full_like(batch.reference_K, math.nan)
    object.__setattr__(batch, "reference_K", blank)
    assert surrogate.penalty(batch, 0.0).abs().sum() == 0


def test_the_correction_is_one_where_the_sampler_agrees_and_is_cut_only_from_above():
    batch = cases.batch([(1.0, [(-1.0, 0.2, gap, 0.0) for gap in (0.0, 0.5, 3.0, -3.0)])])
    assert surrogate.correction(batch, 2.0).tolist() == pytest.approx([1, math.exp(0.5), 2, math.exp(-3)])
    assert surrogate.correction(batch, math.inf)[2].item() == pytest.approx(math.exp(3))
    assert not surrogate.correction(batch, 2.0).requires_grad


def test_log_ratios_stop_where_no_number_type_overflows():
    batch = cases.batch([(1.0, [(-1.0, -80.0, 0.0, 0.0), (-1.0, 80.0, 0.0, 0.0)])])
    assert surrogate.log_ratio(batch).tolist() == [20.0, -20.0]


def test_a_rollout_without_tokens_counts_as_zero():
    batch = cases.batch([(1.0, [(-1.0, 0.0, 0.0, 0.0)])])
    object.__setattr__(batch, "limit_B", torch.tensor([7.0, 7.0], dtype=torch.float64))
    assert surrogate.mean(torch.tensor([3.0], dtype=torch.float64), batch).tolist() == [3.0, 0.0]
