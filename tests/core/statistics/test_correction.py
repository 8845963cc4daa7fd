"""Judge corrections against their formulas written out, limiting cases, and coverage where the raw rate has none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError, SettingsError
from gnomon.core.statistics import robust
from gnomon.core.statistics.clustered import mean, rate
from gnomon.core.statistics.correction import (
    Known,
    delta,
    drawn,
    inverted,
    lang_reiczigel,
    powered,
    prediction_powered,
    rogan_gladen,
    share_interval,
)


def alone(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def labelled(tp: int, positives: int, tn: int, negatives: int) -> dict[str, list[int]]:
    return {
        "truth": [1] * positives + [0] * negatives,
        "judged": [1] * tp + [0] * (positives - tp) + [0] * tn + [1] * (negatives - tn),
    }


@given(true=st.floats(0, 1), se=st.floats(0.55, 1), sp=st.floats(0.55, 1))
@settings(max_examples=100, deadline=None)
def test_inversion_undoes_the_judge(true: float, se: float, sp: float) -> None:
    assert float(inverted(true * se + (1 - true) * (1 - sp), se, sp)) == pytest.approx(true, abs=1e-9)


def test_a_perfect_judge_checked_on_very_many_is_wilson_and_more() -> None:
    many = Known(share=1.0, size=1e12)
    low, high = lang_reiczigel(Known(share=0.2, size=400.0), many, many, 1.96)
    square = 1.96**2
    p, n = (80 + square / 2) / (400 + square), 400 + square
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    assert (float(low), float(high)) == pytest.approx((p - half, p + half), abs=1e-6)


def test_delta_is_its_formula() -> None:
    low, high = delta(Known(share=0.24, size=1000), Known(share=0.8, size=100), Known(share=0.9, size=100), 1.96)
    variance = (0.24 * 0.76 / 1000 + 0.2**2 * 0.8 * 0.2 / 100 + 0.8**2 * 0.9 * 0.1 / 100) / 0.7**2
    assert (float(low), float(high)) == pytest.approx((0.2 - 1.96 * variance**0.5, 0.2 + 1.96 * variance**0.5))


def test_bootstrap_and_formula_agree_when_much_is_known() -> None:
    known = Known(share=0.3, size=20_000), Known(share=0.85, size=4000), Known(share=0.9, size=4000)
    made = drawn(*known, confidence=0.95, draws=20_000, random=np.random.default_rng(0))
    assert np.array(made) == pytest.approx(np.array(lang_reiczigel(*known, 1.96)), abs=1e-3)


@pytest.mark.parametrize("method", ["lang-reiczigel", "delta", "bootstrap"])
def test_the_check_of_the_judge_widens_the_interval(method: str) -> None:
    flags = [1] * 300 + [0] * 700
    wide, narrow = (
        rogan_gladen(flags, alone(1000), **labelled(8 * k, 10 * k, 9 * k, 10 * k), method=method).corrected  # type: ignore[arg-type]
        for k in (4, 400)
    )
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.value == narrow.value == pytest.approx((0.3 + 0.9 - 1) / 0.7)


def test_a_judge_no_better_than_chance_corrects_nothing() -> None:
    found = rogan_gladen([1, 0] * 50, alone(100), **labelled(11, 20, 10, 20))
    assert (found.corrected.low, found.corrected.high) == (0, 1)
    assert "chance" in found.corrected.method


def test_copies_of_flags_and_of_labels_add_nothing() -> None:
    flags, table = [1] * 12 + [0] * 28, labelled(18, 20, 17, 20)
    once = rogan_gladen(flags, alone(40), **table, judged_clusters=alone(40)).corrected
    more = rogan_gladen(
        flags * 3, alone(40) * 3, truth=table["truth"] * 3, judged=table["judged"] * 3, judged_clusters=alone(40) * 3
    ).corrected
    assert (more.low, more.high) == pytest.approx((once.low, once.high), abs=0.01)


def test_rogan_gladen_covers_and_the_raw_rate_does_not() -> None:
    random, kept, raw = np.random.default_rng(1), 0, 0
    for _ in range(120):
        flags = (random.random(500) < 0.1 * 0.8 + 0.9 * 0.1).astype(int).tolist()
        table = labelled(int(random.binomial(80, 0.8)), 80, int(random.binomial(120, 0.9)), 120)
        found = rogan_gladen(flags, alone(500), **table)
        kept += found.corrected.low <= 0.1 <= found.corrected.high
        raw += found.apparent.low <= 0.1 <= found.apparent.high
    assert kept >= 0.91 * 120
    assert raw < 0.1 * 120


def written_out(y: np.ndarray, f: np.ndarray, rest: np.ndarray) -> tuple[float, float, float]:
    """PPI++ mean, standard error and weight, as in the paper with independent values."""
    n, big = len(y), len(rest)
    pooled = np.concatenate([f - f.mean(), rest - rest.mean()]).var()
    weight = float(np.clip(np.cov(y, f, bias=True)[0, 1] / (pooled * (1 + n / big)), 0, 1))
    error = math.sqrt((y - weight * f).var(ddof=1) / n + weight**2 * rest.var(ddof=1) / big)
    return weight * rest.mean() + float((y - weight * f).mean()), error, weight


def test_ppi_of_independent_values_is_the_formula() -> None:
    random = np.random.default_rng(2)
    y = random.random(60)
    f, rest = y + random.normal(0, 0.2, 60), random.random(900) + random.normal(0, 0.2, 900)
    sums = [robust.sums(v.tolist(), alone(len(v))) for v in (y, f, rest)]
    found, weight = prediction_powered(sums[0], sums[1], y * f, sums[2], tuned=True)
    value, error, expected = written_out(y, f, rest)
    # `sums` orders clusters by name, so the cross products are summed in their own order.
    assert float(found.mean) == pytest.approx(value)
    assert float(weight) == pytest.approx(expected)
    order = np.argsort(alone(60))
    exact, _ = prediction_powered(sums[0], sums[1], (y * f)[order], sums[2], tuned=True)
    assert math.sqrt(float(exact.variance)) == pytest.approx(error)


def test_a_useless_judge_costs_nothing_when_tuned_and_much_when_not() -> None:
    random = np.random.default_rng(3)
    y, f, rest = (random.integers(0, 2, n).astype(float).tolist() for n in (100, 100, 1000))
    own = mean(y, alone(100), unit="rate")
    tuned, plain = (powered(y, f, alone(100), rest=rest, rest_clusters=alone(1000), tuned=t) for t in (True, False))
    assert tuned.high - tuned.low < 1.03 * (own.high - own.low)
    assert plain.high - plain.low > 1.25 * (own.high - own.low)


def test_a_perfect_judge_is_worth_its_labels() -> None:
    random = np.random.default_rng(4)
    y, rest = (random.integers(0, 2, n).astype(float).tolist() for n in (100, 3000))
    found = powered(y, y, alone(100), rest=rest, rest_clusters=alone(3000))
    all_labelled = rate(rest, alone(3000))
    assert found.high - found.low == pytest.approx(all_labelled.high - all_labelled.low, rel=0.1)


def test_wrong_calls_say_what_to_write() -> None:
    with pytest.raises(DataError, match="of 0 and of 1"):
        rogan_gladen([1], ["a"], truth=[1, 1], judged=[1, 0])
    with pytest.raises(DataError, match="pair them"):
        powered([1], [1, 0], ["a"], rest=[1], rest_clusters=["b"])
    with pytest.raises(SettingsError, match="lang-reiczigel"):
        rogan_gladen([1, 0] * 20, alone(40), **labelled(18, 20, 18, 20), method="wald")  # type: ignore[arg-type]


@given(share=st.floats(0.01, 0.99), size=st.floats(20, 1e5))
@settings(max_examples=40, deadline=None)
def test_the_share_form_is_wilsons_where_the_variance_is_a_shares(share: float, size: float) -> None:
    one = np.array(1.0)
    found = robust.Spread(
        mean=share * one, variance=share * (1 - share) / size * one, df=1e9 * one, n=1e6 * one, clusters=50 * one,
        single=one,
    )  # fmt: skip
    low, high = share_interval(found, 0.95)
    centre, half = share + 1.96**2 / (2 * size), 1.96 * math.sqrt(share * (1 - share) / size + (1.96 / (2 * size)) ** 2)
    expected = [(centre - half) / (1 + 1.96**2 / size), (centre + half) / (1 + 1.96**2 / size)]
    assert [float(low), float(high)] == pytest.approx(expected, abs=1e-4)


def test_a_corrected_mean_at_or_beyond_an_end_keeps_an_interval_within_0_and_1() -> None:
    one = np.array(1.0)
    found = robust.Spread(
        mean=-0.01 * one, variance=1e-4 * one, df=50 * one, n=100 * one, clusters=50 * one, single=1e-2 * one
    )  # fmt: skip
    low, high = share_interval(found, 0.95)
    assert (float(low), float(high)) == pytest.approx((0.0, 0.0101), abs=1e-3)
