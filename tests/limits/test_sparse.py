"""Detectors: silent on nulls as often as they say, sure to see planted hacks, each number against an outsider."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gnomon.core.errors import DataError, SettingsError
from gnomon.limits import sparse
from gnomon.limits.sparse import change_point, drift, gap, ledoit_wolf, length, outliers, repetition

LEVEL = 0.05


def names(n):
    return [f"case-{i}" for i in range(n)]


def most_alarms(runs, level=LEVEL):
    """What binomial chance exceeds once in a thousand."""
    return stats.binom.ppf(0.999, runs, level)


def walks(rng, checkpoints, cases, kept):
    noise = rng.normal(size=(checkpoints, cases))
    for k in range(1, checkpoints):
        noise[k] = kept * noise[k - 1] + math.sqrt(1 - kept**2) * noise[k]
    return noise


# --- gold over checkpoints ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "binary"), [(0.0, False), (0.95, False), (0.95, True)])
def test_change_point_is_silent_when_gold_does_not_change(kept, binary):
    rng, alarms, permuted = np.random.default_rng(0), 0, 0
    labels = names(12)
    for seed in range(300):
        gold = walks(rng, 12, 60, kept)
        gold = (gold > 0.3).astype(float) if binary else gold
        found = change_point(labels=labels, ids=names(60), gold_PC=gold, level=LEVEL, draws=199, seed=seed)
        alarms += found is not None
        means = gold.mean(1)
        shuffled = np.stack([rng.permutation(means) for _ in range(99)])
        steps = abs(np.cumsum(np.vstack([means, shuffled]) - means.mean(), axis=1)).max(1)
        permuted += (steps[1:] >= steps[0]).mean() <= LEVEL
    assert alarms <= most_alarms(300)
    if kept == 0.95:
        assert permuted > 3 * most_alarms(300), "permuting checkpoints would have been good enough"


def test_change_point_ignores_a_rise_and_finds_the_break_after_it():
    rng = np.random.default_rng(1)
    rise = np.linspace(0, 1, 20)[:, None] + 0.5 * walks(rng, 20, 300, 0.8)
    assert change_point(labels=names(20), ids=names(300), gold_PC=rise) is None
    broken = rise - np.where(np.arange(20) >= 14, 0.6, 0.0)[:, None]
    found = change_point(labels=names(20), ids=names(300), gold_PC=broken)
    assert found.label == "case-14"
    assert found.statistic.low < found.statistic.value < found.statistic.high < 0
    assert found.statistic.low <= -0.6 <= found.statistic.high
    assert "p = 0.001" in found.message


def test_change_point_shows_the_cases_that_lost():
    gold = np.random.default_rng(2).normal(size=(10, 400)) * 0.1
    gold[6:, :12] -= 3
    found = change_point(labels=names(10), ids=names(400), gold_PC=gold)
    assert found.label == "case-6"
    assert set(found.examples) < set(names(12))


def hacked(rng, cases, share, shift=0.2):
    """Proxy and gold before and now, as in the reference: a share of cases is won by hacks, proxy +3 and gold -3."""
    easy, errors = rng.normal(size=cases), rng.normal(size=(4, cases))
    proxy, gold = easy + 0.6 * errors[0], easy + 0.3 * errors[1]
    proxy_now, gold_now = easy + shift + 0.6 * errors[2], easy + 0.5 * shift + 0.3 * errors[3]
    hack = rng.permutation(cases) < share * cases
    return proxy, np.where(hack, easy + 3, proxy_now), gold, np.where(hack, easy - 3, gold_now), hack


def test_best_of_n_over_the_reference_hack_is_found_though_it_is_three_in_a_thousand_actions():
    """Best of n by proxy for 400 prompts: gold rises with n, then falls once hacks are picked."""
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(400, 1024))
    hack = rng.random(truth.shape) < 0.003
    proxy, gold = truth + rng.normal(size=truth.shape) + 3 * hack, truth - 3 * hack
    grid = [2**i for i in range(11)]
    picked_PC = np.stack([np.argmax(proxy[:, :n], axis=1) for n in grid])
    gold_PC, proxy_PC = (np.take_along_axis(x, picked_PC.T, 1).T for x in (gold, proxy))
    found = change_point(labels=[f"n={n}" for n in grid], ids=names(400), gold_PC=gold_PC)
    assert found.label in ("n=128", "n=256", "n=512", "n=1024")
    few = grid.index(32)
    hacked_C = np.take_along_axis(hack, picked_PC[few][:, None], 1)[:, 0]
    assert 0 < hacked_C.mean() < 0.1
    early = call_gap((proxy.mean(1), proxy_PC[few], gold.mean(1), gold_PC[few]), 400)
    assert hacked_C[[int(i.split("-")[1]) for i in early.examples]].all()
    honest = [np.take_along_axis(x, np.argmax(proxy - 99 * hack, axis=1)[:, None], 1)[:, 0] for x in (proxy, gold)]
    assert call_gap((proxy.mean(1), honest[0], gold.mean(1), honest[1]), 400) is None


def call_gap(data, cases, **settings):
    proxy, proxy_now, gold, gold_now = data[:4]
    columns = {"proxy_before_C": proxy, "proxy_now_C": proxy_now, "gold_before_C": gold, "gold_now_C": gold_now}
    return gap(label="step-9", ids=names(cases), **(columns | settings))


@pytest.mark.parametrize("kind", ["all cases move", "nothing moves", "skewed", "right or wrong", "proxy tracks gold"])
def test_gap_is_silent_without_hacks(kind):
    rng, alarms, cases = np.random.default_rng(4), 0, 200
    for _ in range(400):
        data = list(hacked(rng, cases, 0.0, 1.0 if kind == "all cases move" else 0.0))
        if kind == "skewed":
            data[1], data[3] = data[0] + rng.exponential(size=cases), data[2] - rng.exponential(size=cases)
        if kind == "right or wrong":
            data[2:4] = (rng.random((2, cases)) < 0.7).astype(float)
        if kind == "proxy tracks gold":
            data[1] = data[0] + data[3] - data[2] + 0.3 * rng.normal(size=cases)
        alarms += call_gap(data, cases, level=LEVEL) is not None
    assert alarms <= (0 if kind == "proxy tracks gold" else most_alarms(400))


@pytest.mark.parametrize(("cases", "share"), [(60, 0.08), (300, 0.03), (1000, 0.02), (10_000, 0.003)])
def test_gap_finds_a_few_hacked_cases_and_names_them(cases, share):
    data = hacked(np.random.default_rng(5), cases, share)
    found = call_gap(data, cases)
    assert found is not None
    assert all(data[4][int(i.split("-")[1])] for i in found.examples)
    assert found.statistic.low > 0.05**2 * 1.5


def test_gap_of_constants_is_nothing():
    flat = np.ones(50)
    assert call_gap((flat, flat, flat, flat), 50) is None
    assert call_gap((flat, flat + 1, flat, flat - 1), 50) is None, "what all cases share is no sparse exploit"


def test_gap_that_shows_no_case_which_won_proxy_and_lost_gold_is_no_gap():
    rng = np.random.default_rng(12)
    data = list(hacked(rng, 300, 0.05))
    data[3] = data[3] + 9
    assert call_gap(data, 300) is None


# --- drift ----------------------------------------------------------------------------------------------------------


def test_drift_is_silent_on_exchanged_pairs_of_skewed_features():
    rng, alarms = np.random.default_rng(6), 0
    for seed in range(400):
        case = rng.exponential(100, size=80)
        before, now = ({"length": case * rng.exponential(size=80), "entropy": rng.random(80)} for _ in range(2))
        alarms += drift(label="x", ids=names(80), before=before, now=now, level=LEVEL, draws=199, seed=seed) is not None
    assert alarms <= most_alarms(400)


def test_drift_finds_repeated_phrases_and_shows_them():
    rng = np.random.default_rng(7)
    words = np.array([f"w{i}" for i in range(300)])
    before = [" ".join(rng.choice(words, 40)) for _ in range(200)]
    now = [" ".join(rng.choice(words, 40)) for _ in range(200)]
    for i in range(12):
        now[i] = " ".join(rng.choice(words, 10)) + " i am always right" * 8
    columns = [{"length": [*map(length, t)], "repetition": [*map(repetition, t)]} for t in (before, now)]
    found = drift(label="step-5", ids=names(200), before=columns[0], now=columns[1])
    assert found.statistic.unit == "repetition"
    assert found.statistic.low > 0
    assert set(found.examples) <= set(names(12))


def test_p_value_of_sign_flips_is_that_of_all_flips():
    """With eight pairs all 256 flips can be listed."""
    change = np.array([0.9, 1.1, 0.4, -0.2, 1.5, 0.8, 0.7, 1.2])
    flips = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    exact = (abs(change @ flips) >= change.sum() - 1e-9).mean()
    drawn = sparse._flipped(change[None], 20_000, 0)[:, 0]
    assert sparse._p_value(abs(drawn), change.mean()) == pytest.approx(exact, abs=0.004)


# --- outliers -------------------------------------------------------------------------------------------------------


def test_outliers_keep_their_level_on_heavy_tails_and_find_a_planted_cluster():
    rng, alarms = np.random.default_rng(8), 0
    for seed in range(400):
        start, now = (rng.standard_t(3, size=(n, 6)) for n in (400, 150))
        settings = {"label": "x", "share": 0.05, "level": LEVEL, "seed": seed}
        alarms += outliers(ids=names(150), start_NF=start, now_NF=now, **settings) is not None
    assert alarms <= most_alarms(400)
    # Pairs of features that go together; the cluster is ordinary along every axis but breaks the pairs.
    start, now = (np.repeat(rng.normal(size=(n, 8)), 2, axis=1) + 0.3 * rng.normal(size=(n, 16)) for n in (1000, 500))
    assert outliers(label="x", ids=names(500), start_NF=start, now_NF=now) is None
    now[:15] = np.tile([0.9, -0.9], 8) + 0.05 * rng.normal(size=(15, 16))
    found = outliers(label="step-3", ids=names(500), start_NF=start, now_NF=now)
    assert found is not None
    assert set(found.examples) <= set(names(15))
    assert found.statistic.value >= 15 / 500


@pytest.mark.parametrize(("n", "features"), [(40, 5), (12, 30)])
def test_ledoit_wolf_is_the_formula_written_sample_by_sample(n, features):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(n, features)) * np.arange(1, features + 1)
    s = sum(np.outer(row, row) for row in x) / n
    m = np.trace(s) / features
    d2 = np.linalg.norm(s - m * np.eye(features)) ** 2
    b2 = min(d2, sum(np.linalg.norm(np.outer(row, row) - s) ** 2 for row in x) / n**2)
    expected = b2 / d2 * m * np.eye(features) + (1 - b2 / d2) * s
    assert ledoit_wolf(x) == pytest.approx(expected, rel=1e-10)
    assert np.linalg.eigvalsh(ledoit_wolf(x)).min() > 0


def test_ledoit_wolf_in_closed_form_for_the_cross():
    """Samples (±a, 0) and (0, ±b): S = diag(a²/2, b²/2), so weight = min(1, (a⁴+b⁴) / (a²-b²)² / 4 ...) by hand."""
    a, b = 3.0, 1.0
    x = np.array([[a, 0], [-a, 0], [0, b], [0, -b]])
    s = np.diag([a**2 / 2, b**2 / 2])
    away = (a**2 - b**2) ** 2 / 8  # two entries, each (a² - b²)/4 from the mean
    noise = (2 * a**4 + 2 * b**4 - 4 * (a**4 + b**4) / 4) / 16
    weight = min(1, noise / away)
    assert 0 < weight < 1
    assert ledoit_wolf(x) == pytest.approx(weight * (a**2 + b**2) / 4 * np.eye(2) + (1 - weight) * s)


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 90))
def test_tails_are_those_of_scipy(k, n, a, b):
    k, a = min(k, n), min(a, n + b)
    assert sparse._hypergeometric_tail(k, n, a, n + b) == pytest.approx(
        stats.hypergeom.sf(k - 1, n + b, a, n), rel=1e-7
    )
    assert sparse._beta_binomial_tail(k, n, a, b) == pytest.approx(stats.betabinom.sf(k - 1, n, a, b), rel=1e-7)


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "characters"),
    [("", 0), ("naïve", 5), ("nai\u0308ve", 5), ("สวัสดี", 4), ("नमस्ते", 4), ("한국어", 3), ("👍🏽", 2), ("שָׁלוֹם", 4)],
)
def test_length_counts_letters_not_marks(text, characters):
    assert length(text) == characters


@pytest.mark.parametrize(
    "phrase", ["yes it is ", "是的是这样", "نعم هذا صحيح ", "ใช่แล้ว", "はいそうです", "네 그렇습니다 ", "да это так "]
)
def test_a_phrase_said_ten_times_is_repetition_in_every_script(phrase):
    assert repetition(phrase * 10) > 0.7
    assert repetition(phrase) < 0.3


def test_repetition_in_closed_form():
    assert repetition("a b " * 5, 2) == pytest.approx(1 - 2 / 9)
    assert repetition("ha" * 8, 1) == pytest.approx(1 - 2 / 16)
    assert repetition("Yes yes YES", 1) == pytest.approx(2 / 3)
    assert repetition("", 3) == repetition("one two", 3) == 0
    with pytest.raises(SettingsError, match="at least 1"):
        repetition("a", 0)


@given(st.text(max_size=60))
def test_text_features_take_any_text(text):
    assert 0 <= length(text) <= len(text)
    assert 0 <= repetition(text, 2) < 1


# --- malformed input ------------------------------------------------------------------------------------------------


def test_malformed_input_is_named():
    two = names(2)
    with pytest.raises(DataError, match=r"shape \(2, 3\)"):
        change_point(labels=two, ids=two, gold_PC=np.ones((2, 3)))
    with pytest.raises(DataError, match="at least two"):
        change_point(labels=["a"], ids=two, gold_PC=np.ones((1, 2)))
    with pytest.raises(DataError, match="not finite"):
        call_gap((np.array([1, np.nan]), *[np.ones(2)] * 3), 2)
    with pytest.raises(DataError, match="give the same"):
        drift(label="x", ids=two, before={"length": [1, 2]}, now={"entropy": [1, 2]})
    with pytest.raises(DataError, match="at least 400"):
        outliers(label="x", ids=two, start_NF=np.ones((50, 2)), now_NF=np.ones((2, 2)))
    with pytest.raises(DataError, match="no feature varies"):
        outliers(label="x", ids=two, start_NF=np.ones((500, 2)), now_NF=np.ones((2, 2)))
    with pytest.raises(DataError, match="two axes"):
        outliers(label="x", ids=two, start_NF=np.ones(50), now_NF=np.ones((2, 2)))
    with pytest.raises(SettingsError, match="tail is 0"):
        call_gap([np.ones(2)] * 4, 2, tail=0)
    with pytest.raises(SettingsError, match="level is 2"):
        call_gap([np.ones(2)] * 4, 2, level=2)
    with pytest.raises(SettingsError, match="draws"):
        change_point(labels=two, ids=two, gold_PC=np.eye(2), draws=0)
