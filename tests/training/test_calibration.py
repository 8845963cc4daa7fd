import builtins
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import DataError, SettingsError
from gnomon.training import calibration
from gnomon.training.calibration import cross_fitted, draw, quality, temperature

odds = st.lists(st.floats(-20, 20), min_size=1, max_size=40)


def logit(p):
    return math.log(p / (1 - p))


def each(values):
    return [str(i) for i in range(len(values))]


@pytest.fixture(scope="module")
def drawn():
    """20 000 pairs whose true log-odds are known: chosen is better as often as they say."""
    generator = np.random.default_rng(0)
    true = generator.normal(0, 2, 20_000)
    flipped = np.where(generator.random(len(true)) < 1 / (1 + np.exp(-true)), true, -true)
    return flipped


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_temperature_finds_by_how_much_the_odds_were_overstated(drawn, factor):
    assert temperature(list(factor * drawn)) == pytest.approx(factor, rel=0.04)


@given(values=odds)
def test_no_other_temperature_is_more_likely(values):
    found = temperature(values)

    def nll(t):
        x, doubt = np.asarray(values) / t, 1 / (len(values) + 2)
        return float(((1 - doubt) * np.logaddexp(0, -x) + doubt * np.logaddexp(0, x)).mean())

    assert 1 / calibration.HOTTEST * 0.999 <= found <= calibration.HOTTEST * 1.001
    assert all(nll(found) <= nll(found * change) + 1e-9 for change in (0.9, 0.99) if found * change > 0.01)
    assert all(nll(found) <= nll(found * change) + 1e-9 for change in (1.01, 1.1) if found * change < 100)


def test_temperature_at_its_ends():
    assert temperature([1.0, 1.0]) == pytest.approx(1 / math.log(3)), "all right, 1 label in 4 in doubt"
    assert temperature([1e-3] * 100) == pytest.approx(1 / calibration.HOTTEST), "as cold as it goes"
    assert temperature([-1.0, -2.0]) == pytest.approx(calibration.HOTTEST), "all wrong: as hot as it goes"
    assert temperature([2.0, 2.0, 2.0, -2.0]) == pytest.approx(2 / math.log(2))


def test_quality_in_closed_form():
    # Confidence 0.82, three of four right; confidence 0.62, one of two right; squares (1 - p)^2.
    high, low = logit(0.82), logit(0.62)
    found = quality([high, high, high, -high, low, -low], each(range(6)))
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert found.calibration_error.value == pytest.approx((4 * 0.07 + 2 * 0.12) / 6)
    assert found.brier.value == pytest.approx((3 * 0.18**2 + 0.82**2 + 0.38**2 + 0.62**2) / 6)
    assert found.nll == pytest.approx(-(3 * math.log(0.82) + math.log(0.18) + math.log(0.62) + math.log(0.38)) / 6)
    assert [(round(b.low, 2), round(b.high, 2), b.accuracy.n) for b in found.bins] == [(0.6, 0.65, 2), (0.8, 0.85, 4)]
    assert [round(b.confidence, 6) for b in found.bins] == [0.62, 0.82]


def test_calibrated_odds_have_a_small_error_and_overstated_ones_a_large_one(drawn):
    good, bad = (quality(list(factor * drawn), each(drawn)) for factor in (1.0, 4.0))
    assert good.calibration_error.high < 0.02 < 0.08 < bad.calibration_error.low
    assert good.brier.high < bad.brier.low
    assert good.nll < bad.nll
    assert good.accuracy == bad.accuracy
    fitted = quality(cross_fitted(list(4 * drawn), each(drawn)), each(drawn))
    assert fitted.calibration_error.high < 0.02


@given(values=odds)
def test_quality_of_anything_finite_is_in_range(values):
    found = quality(values, each(values))
    for estimate in (found.accuracy, found.calibration_error, found.brier):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert sum(b.accuracy.n for b in found.bins) == len(values)
    assert all(b.low - 1e-9 <= b.confidence <= b.high + 1e-9 for b in found.bins)


def test_bootstrap_draws_conversations_and_not_pairs(drawn):
    some = list(3 * drawn[:400])
    apart = quality(some * 4, each(range(1600))).calibration_error
    together = quality(some * 4, each(range(400)) * 4).calibration_error
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_a_temperature_is_never_fitted_on_the_pair_that_it_is_used_for():
    values, clusters = [1.0, 2.0, -1.0, 3.0, 0.5, -2.0], list("aabbcc")
    before = cross_fitted(values, clusters)
    changed = cross_fitted([1.0, 9.0, *values[2:]], clusters)
    assert changed[0] == before[0], "the other reply of the same conversation has no say"
    with pytest.raises(DataError, match="cannot be halved"):
        cross_fitted([1.0, 2.0], ["a", "a"])


@pytest.mark.parametrize("wrong", [[], [math.nan], [math.inf]])
def test_nothing_and_broken_rewards_are_refused(wrong):
    with pytest.raises(DataError):
        temperature(wrong)
    with pytest.raises(DataError):
        quality(wrong, each(wrong))


def test_the_curve_is_drawn_the_same_for_the_same_numbers(drawn, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    found = {"raw": quality(list(3 * drawn[:500]), each(range(500)))}
    for name in "ab":
        draw(found, tmp_path / f"{name}.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert text.startswith("<?xml")

    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"gnomon\[plot\]"):
        draw(found, tmp_path / "c.svg")
