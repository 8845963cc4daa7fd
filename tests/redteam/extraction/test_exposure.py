"""Exposure: the search agrees with counting all secrets, samples with both, the curve with scipy, chance with 1.44."""

import math
import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from gnomon.core.errors import DataError
from gnomon.models import continuations
from gnomon.redteam.extraction import exposure
from gnomon.redteam.extraction.canaries import Format, make


@pytest.mark.parametrize("seed", range(4))
def test_search_finds_the_rank_that_counting_finds(letters: Any, seed: int) -> None:
    model = letters
    canaries = make(repeats=[1], each=8, form=Format(symbols="abcd", length=3), seed=seed)
    for canary in canaries:
        everything = [canary.secret, *canary.others(100)]
        (logp,) = continuations.score(model, [exposure._encoded(model, canary, everything)])
        assert not isinstance(logp, continuations.Refusal)
        assert len(logp) == 64
        wanted = 1 + sum(o > logp[0] for o in logp[1:])
        assert exposure.rank(model, canary, logp[0], most=10_000) == wanted
        counted = exposure.estimated(logp[0], logp[1:], canary.bits)
        assert counted.method == "exact, all secrets"
        assert counted.value == counted.low == counted.high == pytest.approx(canary.bits - math.log2(wanted))


def test_search_gives_up_and_a_sample_speaks(letters: Any) -> None:
    model, canaries = letters, make(repeats=[1], each=6, form=Format(symbols="abcd", length=4))
    found = exposure.exposures(model, canaries, sample=60, searched=1)
    exact = exposure.exposures(model, canaries, searched=100_000)
    assert all("sampled" in f.exposure.method and f.extrapolated is not None for f in found)
    assert all("search" in e.exposure.method for e in exact)
    for sampled, known in zip(found, exact, strict=True):
        assert sampled.logp == pytest.approx(known.logp)
        assert sampled.exposure.low - 0.2 <= known.exposure.value <= sampled.exposure.high + 0.2


def test_secrets_never_seen_have_the_exposure_of_chance() -> None:
    """A rank drawn alike from 1 to N has mean exposure log2 e = 1.44 bits, and P(exposure > k) = 2^-k."""
    draws = random.Random(0)
    values = []
    for _ in range(4000):
        own, *others = (draws.random() for _ in range(512))
        values.append(exposure.estimated(own, others, 40.0).value)
    assert np.mean(values) == pytest.approx(math.log2(math.e), abs=0.07)
    assert np.mean([v > 3 for v in values]) == pytest.approx(1 / 8, abs=0.02)


def test_a_sample_holds_the_true_exposure_as_often_as_it_says() -> None:
    random_np = np.random.default_rng(3)
    inside = 0
    for _ in range(500):
        share = 2 ** -random_np.uniform(0.5, 6)
        others = (random_np.random(256) < share).astype(float)
        found = exposure.estimated(1.0, others.tolist(), 40.0)
        inside += found.low <= -math.log2(share) <= found.high
    assert inside / 500 >= 0.95


def test_nobody_above_is_a_lower_bound_up_to_the_whole_space() -> None:
    found = exposure.estimated(0.0, [-1.0] * 255, 26.0)
    assert (found.value, found.high) == (8.0, 26.0)
    assert found.low == pytest.approx(-math.log2(1 - 0.025 ** (1 / 255)), abs=1e-6)
    with pytest.raises(DataError, match="no other secret"):
        exposure.estimated(0.0, [], 26.0)


@pytest.mark.parametrize("alpha", [-4.0, -0.5, 0.0, 1.0, 6.0])
def test_skew_normal_is_that_of_scipy(alpha: float) -> None:
    skewnorm = pytest.importorskip("scipy.stats").skewnorm
    for z in (-6.0, -3.0, -1.0, 0.0, 0.7, 3.0):
        assert exposure.skew_normal_below(z, alpha) == pytest.approx(float(skewnorm.cdf(z, alpha)), rel=1e-4, abs=1e-14)


def test_the_curve_goes_on_where_the_sample_ends() -> None:
    """Log-perplexities of a normal: a secret five standard deviations below has 2^-21.7 of the area before it."""
    others = np.random.default_rng(0).normal(-20, 2, size=4000).tolist()
    found = exposure.extrapolated(-10.0, others, 40.0)
    assert found == pytest.approx(-math.log2(2.8665e-7), abs=1.6)
    assert exposure.extrapolated(-20.0, others, 40.0) == pytest.approx(1.0, abs=0.1)
    assert exposure.extrapolated(0.0, others, 26.0) == 26.0
    assert exposure.extrapolated(0.0, [-1.0] * 20, 26.0) is None


def test_a_secret_more_likely_than_not_needs_no_search(letters: Any) -> None:
    (canary,) = make(repeats=[1], each=1)
    assert exposure.rank(letters, canary, math.log(0.51), most=0) == 1


@pytest.mark.slow
def test_the_embedded_model_spells_digits_and_both_ways_of_counting_agree(embedded: Any) -> None:
    canaries = make(repeats=[1], each=2, form=Format(length=2))
    spelt = exposure._spelt(embedded, canaries[0])
    assert spelt is not None
    assert len(spelt[1]) == 10
    searched = exposure.exposures(embedded, canaries, searched=1000)
    counted = exposure.exposures(embedded, canaries, searched=0)
    assert {f.exposure.method for f in searched} == {"exact, by search"}
    assert {f.exposure.method for f in counted} == {"exact, all secrets"}
    for one, other in zip(searched, counted, strict=True):
        assert one.exposure.value == pytest.approx(other.exposure.value, abs=0.3), "near ties may change places"
