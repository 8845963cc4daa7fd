"""The run's verdict from claims alone."""

import itertools

import pytest

from gnomon.assurance.claims import claims
from gnomon.assurance.verdict import GUARDED, deciding, overall, points
from gnomon.core.types import Claim, Estimate
from tests.demo_ledger import charter

STATES = ("satisfied", "not satisfied", "inconclusive", "not assessed", "stale")


def claim(identity, state):
    return Claim(id=identity, sentence="s", state=state)


@pytest.mark.parametrize(("first", "second", "guard"), itertools.product(STATES, STATES, STATES))
def test_met_needs_every_norm_and_the_guard(first, second, guard):
    found = [claim("norm/a/after", first), claim("norm/b/after", second), claim(GUARDED, guard)]
    states = {first, second, guard}
    expected = 1 if "not satisfied" in states else 0 if states == {"satisfied"} else 3
    assert overall(found) == expected


def test_preferences_decide_nothing():
    good = [claim("norm/a/after", "satisfied"), claim(GUARDED, "satisfied")]
    assert overall([*good, claim("preference/x/change", "not satisfied")]) == 0
    assert overall([*good, claim("aim/all", "not satisfied"), claim("attack/after", "not satisfied")]) == 0
    assert [c.id for c in deciding([*good, claim("norm/a/before", "satisfied")])] == ["norm/a/after", GUARDED]


def test_what_was_broken_before_and_not_measured_after_is_not_met():
    unmeasured = [claim("norm/a/before", "not satisfied"), claim("norm/a/after", "not assessed")]
    assert overall([*unmeasured, claim(GUARDED, "not assessed")]) == 1
    assert overall([claim("norm/a/before", "satisfied"), claim("norm/a/after", "not assessed")]) == 3
    assert overall([claim("norm/a/before", "not satisfied"), claim("norm/a/after", "satisfied")]) == 3


def test_no_claims_or_no_guard_is_never_met():
    assert overall([]) == 3
    assert overall([claim("norm/a/after", "satisfied")]) == 3
    assert overall([claim(GUARDED, "satisfied")]) == 3
    assert (
        overall([claim("norm/a/after", "satisfied"), claim(GUARDED, "satisfied"), claim("limit", "not satisfied")]) == 1
    )


def test_a_point_that_the_limit_did_not_admit_is_never_met():
    met = [claim("norm/a/after", "satisfied"), claim(GUARDED, "satisfied")]
    assert [overall([*met, claim("limit", s)]) for s in ("satisfied", "inconclusive", "not satisfied")] == [0, 3, 1]


@pytest.mark.parametrize(("kind", "code"), [("full", 1), ("endpoint", 1), ("worst", 1), ("bare", 3)])
def test_simulated_runs(runs, kind, code):
    assert overall(claims(runs[kind], charter())) == code


def test_differences_are_worded_with_signs():
    e = Estimate(value=0.034, low=-0.0004, high=0.071, n=64, unit="rate", method="m")
    assert points(e) == "+3.4 points [0.0, +7.1], n = 64"
