"""Stopping by gold: e-values by enumeration, the level at all looks together, planted falls that must be seen."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from gnomon.core.errors import DataError, SettingsError
from gnomon.limits.anytime import _e_value, _lower, _means_before, watch, watch_new_cases

LABELS = ["before", *(f"step-{i}" for i in range(1, 15))]


def runs(count, looks, cases, *, kept=0.0, fall=0.0, at=99, seed=0):
    """Gold of cases of unlike difficulty, correlated between looks by `kept`; falls by `fall` from look `at` on."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        noise = rng.normal(size=(looks, cases))
        for k in range(1, looks):
            noise[k] = kept * noise[k - 1] + math.sqrt(1 - kept**2) * noise[k]
        chance = rng.beta(2, 2, size=cases)
        gold = 1 / (1 + np.exp(-1.7 * noise - np.log(chance / (1 - chance))))
        low = np.arange(looks)[:, None] >= at
        yield gold * np.where(low, 1 - 2 * fall, 1.0)


def test_e_value_has_mean_one_by_enumeration_when_gold_has_not_fallen():
    """All 3^5 outcomes of five cases with the changes -1, 0 and 1: fair bets keep the mean, losing bets lower it."""
    drops = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=5)))
    for chance, holds in (((0.25, 0.5, 0.25), "one"), ((0.5, 0.2, 0.3), "less")):
        weight = np.prod([[chance[int(d) + 1] for d in row] for row in drops], axis=1)
        mean = sum(w * _e_value(row, 3.0) for w, row in zip(weight, drops, strict=True))
        assert mean == pytest.approx(1, abs=1e-12) if holds == "one" else mean < 0.9


def test_the_reference_that_follows_the_leader_keeps_the_mean_of_the_evidence_at_most_one():
    """Exact: four cases, three looks of fair coins; picking the best on the cases that are tested would exceed 1."""
    followed = picked = 0.0
    tosses = list(itertools.product([0.0, 1.0], repeat=12))
    for toss in tosses:
        gold = np.array(toss).reshape(3, 4)
        ahead, leader = _means_before(gold[0]), gold[0]
        leader = np.where(_means_before(gold[1]) > ahead, gold[1], leader)
        followed += _e_value(leader - gold[2], 3.0) / len(tosses)
        picked += _e_value(gold[int(gold[1].sum() > gold[0].sum())] - gold[2], 3.0) / len(tosses)
    assert followed == pytest.approx(1, abs=1e-12)
    assert picked > 1.05


def test_evidence_is_the_weighted_sum_of_the_looks_and_its_crossing_is_the_stop():
    gold = next(runs(1, 6, 80, fall=0.2, at=3))
    looks = watch(labels=LABELS[:6], gold_PC=gold)
    two = watch(labels=LABELS[:2], gold_PC=gold[:2])[1]
    assert looks[0].e_value == 0
    assert two.e_value == looks[1].e_value
    values = [look.e_value for look in looks]
    assert values == sorted(values)
    assert [look.stop for look in looks] == [v >= 20 for v in values]
    assert looks[-1].stop
    assert not looks[2].stop


def test_capital_is_the_bets_placed_one_by_one():
    rng = np.random.default_rng(6)
    drops, target = rng.uniform(-1, 1, size=50), 4.0
    capital, squares = 1.0, 0.25
    for i, drop in enumerate(drops):
        stake = min(0.9, math.sqrt(2 * target / (50 * squares / (i + 1))))
        capital, squares = capital * (1 + stake * drop), squares + drop**2
    assert _e_value(drops, target) == pytest.approx(capital)
    assert _e_value(np.insert(drops, 7, math.nan), target) == pytest.approx(capital)


def test_the_process_of_new_cases_has_mean_one_by_enumeration():
    """Two looks of two fair cases each: every outcome, before and after, has the same chance."""
    means = np.zeros(2)
    outcomes = list(itertools.product([0.0, 1.0], repeat=8))
    for o in outcomes:
        looks = watch_new_cases(labels=["a", "b"], best=[o[0:2], o[2:4]], now=[o[4:6], o[6:8]])
        means += np.array([look.e_value for look in looks]) / len(outcomes)
    assert means == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("kept", "planned"), [(0.0, None), (0.9, 9)])
def test_null_runs_ever_stop_in_at_most_five_percent_while_a_repeated_t_test_does_not(kept, planned):
    ours = naive = 0
    for gold in runs(500, 10, 40, kept=kept, seed=1):
        ours += watch(labels=LABELS[:10], gold_PC=gold, planned=planned)[-1].stop
        first = np.broadcast_to(gold[0], gold[1:].shape)
        naive += (ttest_rel(first, gold[1:], axis=1, alternative="greater").pvalue < 0.05).any()
    assert ours <= 25
    assert naive > 60


def test_new_cases_at_every_look_hold_the_level_and_add_up():
    stopped, small = 0, 0
    for gold, fallen in zip(runs(200, 20, 40, seed=2), runs(200, 20, 40, seed=3, fall=0.1, at=10), strict=True):
        labels = LABELS[:10]
        stopped += watch_new_cases(labels=labels, best=gold[:10], now=gold[10:])[-1].stop
        small += watch_new_cases(labels=labels, best=fallen[:10], now=fallen[10:])[-1].stop
    assert stopped <= 10
    assert small > 180


def test_intervals_of_all_looks_hold_together_and_shrink_with_the_cases():
    missed, widths = 0, {}
    for cases in (100, 1600):
        for gold in runs(100, 8, cases, kept=0.5, fall=0.2, at=4, seed=4):
            looks = watch(labels=LABELS[:8], gold_PC=gold)
            means = [0.5] * 4 + [0.3] * 4
            missed += any(
                not look.effect.low <= means[k] - 0.5 <= look.effect.high for k, look in enumerate(looks) if k
            )
            widths[cases] = looks[-1].effect.high - looks[-1].effect.low
    assert missed <= 10
    assert widths[1600] < 0.35 * widths[100]
    assert looks[-1].effect.high < 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(1, 12))
def test_the_lower_end_never_passes_the_bound_by_exact_capital(changes, need):
    """The four-moment bound is below the capital, so the end it gives is rejected by the capital itself too."""
    data = np.array(changes)
    centred = data - data.mean()
    moments = [np.array([float(x)]) for x in (len(data), data.mean(), *((centred**k).mean() for k in (2, 3, 4)))]
    end = _lower(*moments, np.array([need]))[0]
    assert -1 <= end <= data.mean() + 1e-9
    if end > -1:
        capital = np.mean([np.prod(1 + stake * (data - end)) for stake in 0.5 ** np.arange(2, 11)])
        assert math.log(capital) >= need - 1e-6


def test_a_planned_end_sees_late_falls_that_an_open_end_does_not():
    found = dict.fromkeys((None, 14), 0)
    for gold in runs(40, 15, 200, kept=0.9, fall=0.06, at=8, seed=5):
        for planned in found:
            found[planned] += watch(labels=LABELS, gold_PC=gold, planned=planned)[-1].stop
    assert found[14] > found[None] + 5


def test_a_rise_is_not_a_fall_and_a_fall_after_a_rise_is():
    rising = np.stack([np.full(200, x) for x in (0.2, 0.4, 0.6)])
    assert not watch(labels=LABELS[:3], gold_PC=rising)[-1].stop
    # Still better than the start, yet worse than the best.
    later = watch(labels=LABELS[:4], gold_PC=np.vstack([rising, np.full(200, 0.4)]))
    assert [look.stop for look in later] == [False, False, False, True]
    assert later[-1].effect.value == pytest.approx(-0.2)


def test_a_loss_that_is_granted_does_not_stop_and_bounds_scale():
    gold = np.stack([np.full(400, 0.6), np.full(400, 0.5)])
    assert watch(labels=LABELS[:2], gold_PC=gold)[-1].stop
    assert not watch(labels=LABELS[:2], gold_PC=gold, worse_by=0.15)[-1].stop
    one, ten = (watch(labels=LABELS[:2], gold_PC=gold * s, bounds=(0, s))[-1] for s in (1, 10))
    assert ten.e_value == pytest.approx(one.e_value)
    assert ten.effect.low == pytest.approx(10 * one.effect.low)


def test_missing_cases_are_left_out():
    gold = next(runs(1, 3, 50, fall=0.3, at=2))
    holed = np.hstack([gold, np.full((3, 20), np.nan)])
    look = watch(labels=LABELS[:3], gold_PC=holed)[-1]
    assert look.effect.n == 50
    assert look.effect.value == pytest.approx(watch(labels=LABELS[:3], gold_PC=gold)[-1].effect.value)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"gold_PC": [[0.5, 1.5], [0.1, 0.2]]}, DataError, "bounds="),
        ({"gold_PC": [[0.5, 0.5]]}, DataError, "one row of cases to each label"),
        ({"gold_PC": [[0.5, 0.5], [math.nan, math.nan]]}, DataError, "no case has gold"),
        ({"gold_PC": [[0.5, math.nan], [math.nan, 0.5]]}, DataError, "both here"),
        ({"confidence": 1.0}, SettingsError, "as 0.95"),
        ({"planned": 0}, SettingsError, "most looks"),
        ({"worse_by": -0.1}, SettingsError, "worse_by"),
        ({"bounds": (1.0, 0.0)}, SettingsError, "lowest and the highest"),
    ],
)
def test_malformed_input_is_named(change, error, words):
    with pytest.raises(error, match=words):
        watch(**({"labels": ["before", "step-1"], "gold_PC": [[0.5, 0.5], [0.1, 0.2]]} | change))


def test_unpaired_new_cases_are_named():
    with pytest.raises(DataError, match="pair them"):
        watch_new_cases(labels=["a"], best=[[0.1, 0.2]], now=[[0.1]])
    with pytest.raises(DataError, match="one of each"):
        watch_new_cases(labels=["a", "b"], best=[[0.1]], now=[[0.1]])
