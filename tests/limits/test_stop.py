"""The stop: norms veto first, and nothing that gold does can buy a veto off."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from gnomon.limits.stop import Bar, Candidate, choose, vetoes

BARS = {"a": Bar(rate=0.05), "b": Bar(rate=0.1, confidence=0.9)}


def at(label, gold=0.5, divergence=1.0, a=(0, 100), b=(0, 100)):
    return Candidate(label=label, gold=gold, divergence=divergence, breaches={"a": a, "b": b})


counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
golds = st.none() | st.floats(-5, 5)


@st.composite
def points(draw):
    size = draw(st.integers(1, 6))
    return [
        at(f"step-{i}", draw(golds), draw(st.floats(0, 9)), draw(counts), draw(st.just((0, 150)) | counts))
        for i in range(size)
    ]


@settings(max_examples=150, deadline=None)
@given(points(), st.floats(0, 1e9), st.data())
def test_no_gain_buys_a_veto(candidates, gain, data):
    chosen = choose(candidates, BARS)
    rejected = [c for c in candidates if vetoes(c, BARS)]
    if rejected:
        lucky = data.draw(st.sampled_from(rejected))
        bribed = [replace(c, gold=(c.gold or 0) + gain) if c is lucky else c for c in candidates]
        after = choose(bribed, BARS)
        assert (after.label, after.admissible, after.reason) == (chosen.label, chosen.admissible, chosen.reason)
        assert after.vetoes == chosen.vetoes
    else:
        assert chosen.label is not None


@settings(max_examples=100, deadline=None)
@given(points())
def test_the_choice_is_admissible_and_the_best_of_the_admissible(candidates):
    stop = choose(candidates, BARS)
    known = {c.label: c for c in candidates}
    assert set(stop.admissible) | set(stop.vetoes) == set(known)
    assert not set(stop.admissible) & set(stop.vetoes)
    if stop.label is None:
        assert not stop.admissible
        return
    assert stop.label in stop.admissible
    assert all((known[o].gold or -9) <= (known[stop.label].gold or -9) + 1e-12 for o in stop.admissible) or any(
        known[o].gold is None for o in stop.admissible
    )


@settings(max_examples=60, deadline=None)
@given(points(), st.data())
def test_norms_are_not_averaged(candidates, data):
    """Perfect rates for one norm never lift the veto of another."""
    broken = [replace(c, breaches={"a": (60, 100), "b": (0, 10_000)}) for c in candidates]
    assert choose(broken, BARS).label is None


@pytest.mark.parametrize(("k", "n", "admitted"), [(0, 59, True), (0, 58, False), (1, 93, True), (1, 92, False)])
def test_admissible_is_the_one_sided_clopper_pearson_bound(k, n, admitted):
    upper = beta.ppf(0.95, k + 1, n - k)
    assert (upper <= 0.05) == admitted
    found = vetoes(at("x", a=(k, n)), {"a": BARS["a"]})
    assert (not found) == admitted
    if found:
        assert found[0].upper == pytest.approx(upper, rel=1e-6)


def test_each_norm_has_its_own_confidence():
    # 0 of 22: upper bound 0.0994 at 90 %, 0.1273 at 95 %; only b's line of 0.1 at 90 % admits it.
    assert beta.ppf(0.9, 1, 22) < 0.1 < beta.ppf(0.95, 1, 22)
    assert not vetoes(at("x", b=(0, 22)), {"b": BARS["b"]})
    assert vetoes(at("x", b=(0, 22)), {"b": Bar(rate=0.1, confidence=0.95)})


def test_ties_go_to_the_smaller_divergence():
    assert choose([at("far", 0.7, 3.0), at("near", 0.7, 1.0)], BARS).label == "near"
    assert choose([at("far", 0.8, 3.0), at("near", 0.7, 1.0)], BARS).label == "far"


def test_nothing_admissible_names_who_vetoed_what():
    stop = choose([at("s1", a=(50, 100)), at("s2", a=(50, 100), b=(50, 100))], BARS)
    assert stop.label is None
    assert stop.reason == "no point is admissible: vetoed by a"
    assert [[v.norm for v in stop.vetoes[s]] for s in ("s1", "s2")] == [["a"], ["a", "b"]]
    mixed = choose([at("s1", a=(50, 100)), at("s2", b=(50, 100))], BARS)
    assert mixed.reason == "no point is admissible: vetoed by a, b, each at some of the points"
    assert choose([], BARS).reason == "there is no point to choose from"


def test_a_norm_that_was_not_measured_vetoes():
    only_a = Candidate(label="x", gold=9.0, divergence=0.0, breaches={"a": (0, 100)})
    (veto,) = vetoes(only_a, BARS)
    assert (veto.norm, veto.n, veto.upper) == ("b", 0, 1.0)


def test_without_gold_the_start_is_kept():
    stop = choose([at("step-9", None, 4.0), at("before", None, 0.0)], BARS)
    assert stop.label == "before"
    assert "no gold was measured" in stop.reason
