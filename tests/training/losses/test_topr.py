import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402

from gnomon.training.losses.topr import TOPR  # noqa: E402

from . import rollout_cases as cases  # noqa: E402


@given(cases.rollouts)
@settings(deadline=None)
def test_equals_the_formula_by_hand(rows):
    def rollout(r):
        weight = r.whole
        for t in r.tokens:
            weight *= t.sampler
        return -(1 if r.advantage >= 0 else min(weight, 1)) * r.advantage * sum(t.logp for t in r.tokens)

    out = TOPR()(batch=cases.batch(rows))
    assert out.loss.item() == pytest.approx(cases.mean(map(rollout, cases.read(rows))), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "weight"), [(0.01, 1, 1), (9.0, 1, 1), (0.25, -1, 0.0625), (3.0, -1, 1)]
)
def test_good_counts_in_full_and_bad_as_far_as_it_is_still_likely(ratio, advantage, weight):
    batch = cases.one(ratio, advantage, tokens=2)
    assert cases.pushes(TOPR(), batch) == pytest.approx([2 * weight] * 2)
    assert TOPR()(batch=batch).metrics["tapered_fraction"] == (weight < 1)
    assert TOPR()(batch=batch).metrics["weight_mean"] == pytest.approx(weight)
