"""Fits against closed forms, scipy, refits by hand and simulated tasks whose peak is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit, minimize_scalar

from gnomon.core.errors import DataError, SettingsError
from gnomon.limits.fits import CLUSTERS, GROUPS, fit, iterated, predict, terms

DISTANCE = [0.0, 0.44, 0.8, 1.1, 1.35, 1.78, 2.13, 2.43]
FORMS = ("best_of_n", "rl")
each_form = pytest.mark.parametrize("form", FORMS)


def shape(form, d, a, b):
    """The forms as the paper prints them."""
    d = np.asarray(d, dtype=float)
    return d * (a - b * d) if form == "best_of_n" else d * (a - b * np.log(np.maximum(d, 1e-300)))


def cases(form, a, b, count, rng, noise=0.5, spread=0.3, distance=DISTANCE):
    """Golds of cases with their own coefficients, their own level, and noise at every point."""
    own_C = a * (1 + spread * rng.normal(size=count)), b * (1 + spread * rng.normal(size=count))
    curve_PC = np.stack([shape(form, d, *own_C) for d in distance])
    return curve_PC + rng.normal(size=count) + noise * rng.normal(size=curve_PC.shape)


def names(count):
    return [f"case {i}" for i in range(count)]


def fitted(gold_PC, form="best_of_n", distance=DISTANCE, clusters=None, **more):
    more = {"draws": 200} | more
    clusters = clusters or names(gold_PC.shape[1])
    return fit(distance_P=distance, gold_PC=gold_PC, clusters_C=clusters, form=form, **more)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FORMS), st.floats(0.1, 2), st.floats(0.5, 2.5), st.floats(-3, 3))
def test_a_curve_of_the_form_is_recovered_exactly(form, a, top, level):
    b = a / (2 * top) if form == "best_of_n" else a / (1 + math.log(top))
    gold_PC = np.tile(shape(form, DISTANCE, a, b)[:, None] + level, CLUSTERS)
    found = fitted(gold_PC, form, draws=20)
    assert (found.a.value, found.b.value) == pytest.approx((a, b), abs=1e-9)
    assert found.misfit.fits
    assert found.reason == ""
    assert found.peak.value == pytest.approx(top)
    best = minimize_scalar(lambda d: -float(shape(form, d, a, b)), bounds=(1e-6, 4), method="bounded")
    assert found.peak.value == pytest.approx(best.x, abs=1e-4)
    assert found.gold_at_peak.value == pytest.approx(-best.fun)
    assert found.gold_at_peak.value == pytest.approx(a * a / (4 * b) if form == "best_of_n" else b * top)
    assert predict(found, 1.0).value == pytest.approx(float(shape(form, 1.0, a, b)))


@each_form
def test_coefficients_agree_with_scipy_where_cases_are_missing(form):
    rng = np.random.default_rng(1)
    gold_PC = cases(form, 0.8, 0.3, 40, rng)
    gold_PC[rng.random(gold_PC.shape) < 0.3] = math.nan
    change_PC = (gold_PC - gold_PC[0])[1:]
    size_P = (~np.isnan(change_PC)).sum(axis=1)
    (a, b), _ = curve_fit(
        lambda d, a, b: shape(form, d, a, b), DISTANCE[1:], np.nanmean(change_PC, axis=1), sigma=size_P**-0.5
    )
    found = fitted(gold_PC, form)
    assert (found.a.value, found.b.value) == pytest.approx((a, b), rel=1e-5)
    assert found.a.n == int((~np.isnan(gold_PC[0])).sum())


@each_form
def test_held_out_error_is_that_of_refits_without_the_point(form):
    gold_PC = cases(form, 0.8, 0.3, 30, np.random.default_rng(2))
    found = fitted(gold_PC, form).misfit
    mean_P, x_P2 = (gold_PC - gold_PC[0]).mean(axis=1), terms(form, DISTANCE)
    errors = []
    for p in range(1, len(DISTANCE)):
        rest = [i for i in range(1, len(DISTANCE)) if i != p]
        ab, *_ = np.linalg.lstsq(x_P2[rest], mean_P[rest], rcond=None)
        errors.append(abs(mean_P[p] - x_P2[p] @ ab))
    assert found.rmse.value == pytest.approx(math.sqrt(np.mean(np.square(errors))))
    assert (found.rmse.low, found.rmse.high) == pytest.approx((min(errors), max(errors)))


@pytest.mark.parametrize("count", [400, 2 * GROUPS])
@pytest.mark.parametrize("bump", [0.0, 0.4])
def test_variance_is_that_of_a_mean_over_cases_and_of_residuals(count, bump):
    """Where every case is measured, a and b are means of one number a case; HC2 is the variance from lack of fit."""
    gold_PC = cases("best_of_n", 0.8, 0.2, count, np.random.default_rng(3))
    gold_PC[3] += bump
    found = fitted(gold_PC, draws=1500)
    change_PC, x_P2 = (gold_PC - gold_PC[0])[1:], terms("best_of_n", DISTANCE[1:])
    own_2C = np.linalg.lstsq(x_P2, change_PC, rcond=None)[0]
    solve_2P = np.linalg.pinv(x_P2)
    left_P = change_PC.mean(axis=1) - x_P2 @ own_2C.mean(axis=1)
    lack_PP = np.diag(left_P**2 / (1 - np.diag(x_P2 @ solve_2P)))
    covariance = np.cov(own_2C) / count + solve_2P @ lack_PP @ solve_2P.T
    assert found.covariance == pytest.approx(covariance[np.triu_indices(2)], rel=0.12)
    for estimate, centre, variance in zip((found.a, found.b), own_2C.mean(axis=1), covariance.diagonal(), strict=True):
        assert estimate.value == pytest.approx(centre)
        assert estimate.high - estimate.low == pytest.approx(2 * 1.645 * math.sqrt(variance), rel=0.15)
    x_2 = terms("best_of_n", [2.0])[0]
    said = predict(found, 2.0)
    assert said.high - said.low == pytest.approx(2 * 1.645 * math.sqrt(x_2 @ covariance @ x_2), rel=0.12)


def test_copies_of_a_case_in_one_cluster_add_no_certainty():
    gold_PC = cases("best_of_n", 0.8, 0.2, 50, np.random.default_rng(4), noise=0.02)
    once = fitted(gold_PC)
    copied = fitted(np.repeat(gold_PC, 4, axis=1), clusters=list(np.repeat(names(50), 4)))
    apart = fitted(np.repeat(gold_PC, 4, axis=1))
    width = {id(f): f.a.high - f.a.low for f in (once, copied, apart)}
    assert copied.a.value == pytest.approx(once.a.value)
    assert width[id(copied)] == pytest.approx(width[id(once)], rel=1e-9)
    assert width[id(apart)] < 0.7 * width[id(once)]


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(FORMS), st.randoms(use_true_random=False), st.floats(0.1, 10))
def test_level_of_a_case_order_of_points_and_unit_of_gold_change_nothing(form, shuffler, unit):
    rng = np.random.default_rng(5)
    gold_PC = cases(form, 0.8, 0.4, 40, rng)
    order = list(range(len(DISTANCE)))
    shuffler.shuffle(order)
    level_C = 5 * rng.normal(size=40)
    first = fitted(gold_PC, form)
    other = fitted(unit * (gold_PC + level_C)[order], form, distance=[DISTANCE[i] for i in order])
    for one, two, factor in ((first.a, other.a, unit), (first.b, other.b, unit), (first.peak, other.peak, 1)):
        assert (two is None) == (one is None)
        if one:
            assert (two.value, two.low, two.high) == pytest.approx([factor * v for v in (one.value, one.low, one.high)])
    assert other.misfit.rmse.value == pytest.approx(unit * first.misfit.rmse.value)
    assert other.misfit.runs_p == first.misfit.runs_p


def test_a_point_without_gold_is_as_if_it_were_not_there():
    gold_PC = cases("best_of_n", 0.8, 0.2, 40, np.random.default_rng(6))
    blank_PC = np.vstack([gold_PC, np.full(40, math.nan)])
    assert fitted(blank_PC, distance=[*DISTANCE, 9.0]) == fitted(gold_PC)


@each_form
@pytest.mark.parametrize("distance", [[0, 1, 1 + 1e-15, 1 + 2e-15, 1 + 1e-14, 2], [0, 1e-8, 2e-8, 3e-8, 4e-8, 5e-8]])
def test_distances_that_hardly_differ_give_numbers_and_no_peak(form, distance):
    found = fitted(np.random.default_rng(14).normal(size=(6, 40)), form, distance=distance)
    assert found.peak is None
    parts = (found.a, found.b, found.misfit.rmse, found.misfit.expected, predict(found, distance[-1]))
    assert all(math.isfinite(v) for e in parts for v in (e.value, e.low, e.high))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 8), st.floats(0.05, 3.1), st.integers(0, 9))
def test_rounds_claim_k_times_the_curve_of_one_round_at_a_kth_of_the_distance(rounds, d, seed):
    one = fitted(cases("rl", 0.8, 0.5, 60, np.random.default_rng(seed)), "rl")
    many = iterated(one, rounds)
    said, share = predict(many, rounds * d), predict(one, d)
    assert (said.value, said.low, said.high) == pytest.approx(
        [rounds * v for v in (share.value, share.low, share.high)]
    )
    a, b = one.a.value, one.b.value
    far = rounds * d
    assert said.value == pytest.approx(far * (a - b * math.log(far) + b * math.log(rounds)))
    assert f"{rounds} rounds" in said.method


def test_rounds_move_the_peak_and_the_gold_at_it_by_their_number():
    a, b, top = 0.8, 0.5, math.exp(0.8 / 0.5 - 1)
    one = fitted(cases("rl", a, b, 100, np.random.default_rng(3), noise=0.1), "rl")
    four = iterated(one, 4)
    for part in ("peak", "gold_at_peak"):
        before, after = getattr(one, part), getattr(four, part)
        assert (after.value, after.low, after.high) == pytest.approx(
            [4 * v for v in (before.value, before.low, before.high)]
        )
    best = minimize_scalar(lambda d: -predict(four, d).value, bounds=(0.1, four.reach), method="bounded")
    assert four.peak.value == pytest.approx(best.x, rel=1e-4)
    assert four.gold_at_peak.value == pytest.approx(-best.fun)
    assert four.peak.low <= 4 * top <= four.peak.high
    twice = iterated(iterated(one, 2), 2)
    assert (twice.a.value, twice.a.low, twice.a.high) == pytest.approx((four.a.value, four.a.low, four.a.high))
    assert twice.covariance == pytest.approx(four.covariance)
    assert (iterated(one, 1).a.value, iterated(one, 1).peak.value) == (one.a.value, one.peak.value)


def test_rounds_are_claimed_only_for_rl_within_reach_and_without_a_peak_if_one_round_names_none():
    gold_PC = cases("rl", 0.8, 0.5, 40, np.random.default_rng(5))
    three = iterated(fitted(gold_PC, "rl"), 3)
    assert three.reach == pytest.approx(3 * 1.3 * 2.43)
    predict(three, three.reach)
    with pytest.raises(DataError, match=r"outside 0 to 9\.48"):
        predict(three, three.reach + 0.01)
    with pytest.raises(DataError, match="best_of_n"):
        iterated(fitted(gold_PC), 2)
    with pytest.raises(SettingsError, match="rounds is 0"):
        iterated(fitted(gold_PC, "rl"), 0)
    rising = iterated(fitted(cases("rl", 0.8, 0.0, 60, np.random.default_rng(6)), "rl"), 2)
    assert rising.peak is rising.gold_at_peak is None
    assert rising.reason


def test_a_rising_curve_has_no_peak():
    rng = np.random.default_rng(7)
    said = [fitted(cases("best_of_n", 0.9, 0.0, 100, rng)) for _ in range(40)]
    assert all(f.peak is None and f.gold_at_peak is None for f in said)
    assert sum("'no peak'" in f.reason for f in said) > 30


def test_a_peak_beyond_what_was_seen_is_not_named_and_nothing_is_foretold_there():
    gold_PC = cases("best_of_n", 0.9, 0.1, 400, np.random.default_rng(8), noise=0.1)
    found = fitted(gold_PC)
    assert found.peak is None
    assert "beyond" in found.reason
    assert found.reach == pytest.approx(1.3 * 2.43)
    predict(found, found.reach)
    with pytest.raises(DataError, match="3\\.16"):
        predict(found, found.reach + 0.01)
    with pytest.raises(DataError, match="outside"):
        predict(found, -0.1)


@pytest.mark.parametrize(("form", "a", "b"), [("best_of_n", -0.5, 0.2), ("rl", -0.5, 0.6)])
def test_gold_that_only_falls_has_its_peak_before_the_first_point(form, a, b):
    found = fitted(cases(form, a, b, 100, np.random.default_rng(9), noise=0.1), form)
    assert found.peak is None
    assert "nearer to the start than the first distance measured, 0.44" in found.reason


@each_form
def test_a_sudden_fall_does_not_fit(form):
    gold_PC = cases(form, 0.9, 0.1, 300, np.random.default_rng(10))
    gold_PC[-2:] -= np.array([[0.7], [2.0]])
    found = fitted(gold_PC, form)
    assert found.peak is None
    assert found.reason.startswith("the form does not fit: held-out error")
    assert not found.misfit.fits
    assert found.misfit.rmse_p.value < 0.05
    assert found.misfit.rmse.value > 3 * found.misfit.expected.value
    assert predict(found, 1.0).method.endswith("the form does not fit")


def test_residuals_in_long_runs_do_not_fit():
    """One point that few cases have makes any error look like noise; the signs at the others still tell."""
    rng, distance = np.random.default_rng(11), np.linspace(0, 3, 41)
    noise_PC = rng.normal(size=(41, 100)) * (distance[:, None] > 0)
    noise_PC[-1] *= 10
    noise_PC[-1, 4:] = math.nan
    gold_PC = shape("best_of_n", distance, 0.8, 0.2)[:, None] + noise_PC
    wave_PC = gold_PC + 0.3 * np.sin(2 * math.pi * distance)[:, None]
    plain, waved = (fitted(g, distance=distance).misfit for g in (gold_PC, wave_PC))
    assert plain.fits
    assert waved.rmse_p.value > 0.05 > waved.runs_p.value
    assert "keep their sign" in waved.reason


@each_form
def test_under_the_form_the_peak_is_covered_and_the_form_seldom_refused(form):
    a, b = (0.8, 0.22) if form == "best_of_n" else (0.8, 0.5)
    top = a / (2 * b) if form == "best_of_n" else math.exp(a / b - 1)
    rng, held, named, refused, tasks = np.random.default_rng(12), 0, 0, 0, 200
    for seed in range(tasks):
        found = fitted(cases(form, a, b, 80, rng), form, seed=seed)
        refused += not found.misfit.fits
        if found.peak:
            named += 1
            held += found.peak.low <= top <= found.peak.high
    assert named > 0.7 * tasks
    assert 0.85 <= held / named <= 0.98
    assert 0.02 < refused / tasks < 0.15


def test_too_little_is_said_to_be_too_little():
    rng = np.random.default_rng(13)
    few = fitted(cases("best_of_n", 0.8, 0.2, 100, rng, distance=DISTANCE[:4]), distance=DISTANCE[:4])
    assert few.reason.startswith("too few points: 3 distances")
    small = fitted(cases("best_of_n", 0.8, 0.2, CLUSTERS - 1, rng))
    assert small.reason.startswith("too few points: 7 distances")
    assert "19 clusters" in small.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance_P": DISTANCE[:-1]}, "8 x 30, with 7 distances"),
        ({"clusters_C": ["one"] * 29}, "29 clusters"),
        ({"clusters_C": ["one"] * 30}, "for 1 clusters"),
        ({"distance_P": [-1.0, *DISTANCE[1:]]}, "negative"),
        ({"distance_P": [0.1, *DISTANCE[1:]]}, "no point has distance 0"),
        ({"distance_P": [0, 0, 0, 0, 0, 0, 1, 2]}, "2 distances beyond the start"),
        ({"gold_PC": np.full((8, 30), math.inf)}, "infinite"),
        ({"gold_PC": np.full((8, 30), math.nan)}, "at 0 distances .* 0 clusters"),
    ],
)
def test_what_cannot_be_fitted_is_an_error(change, message):
    given = {"distance_P": DISTANCE, "gold_PC": np.zeros((8, 30)), "clusters_C": names(30)}
    with pytest.raises(DataError, match=message):
        fit(**given | change, form="best_of_n")


def test_settings_that_do_not_fit_are_an_error():
    with pytest.raises(SettingsError, match="no form is called 'bon'"):
        fitted(np.zeros((8, 30)), "bon")
    with pytest.raises(SettingsError, match="confidence"):
        fitted(np.zeros((8, 30)), confidence=90)
