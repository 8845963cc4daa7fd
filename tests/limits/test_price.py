"""A price sweep against the closed form: the one that is published, and simulated ones that are right or wrong."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from gnomon.core.canonical import to_builtins
from gnomon.core.errors import DataError
from gnomon.limits.price import REACH, Setting, invariance, optimum, outside, read

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "experiments" / "price_invariance.json"
PRICES = (0, 3, 5, 8, 12, 10**6)


def sweep(seed=0, n=20_000, factor=1.0, leak=0.0, prices=PRICES):
    """A document of policies that follow the closed form times `factor`, and of a mask that lets `leak` through."""
    draw, points = np.random.default_rng(seed), []
    for price in prices:
        for penalty in (2, 5, 10):
            best = float(expit(logit(0.01) + (price - penalty) / 0.5))
            k = int(draw.binomial(n, min(1.0, best * factor)))
            points.append({"arm": f"penalty {penalty}", "price": price, "n": n})
            points[-1] |= {"drawn_value": k / n, "performed_value": k / n}
        k = int(draw.binomial(n, leak))
        points.append({"arm": "mask", "price": price, "n": n, "drawn_value": 0.01, "performed_value": k / n})
        points[-1] |= {"logits": [0.0, 1.0]}
    points.append({"arm": "Lagrangian", "price": 4, "n": n, "drawn_value": 0.5, "performed_value": 0.5})
    return {"setting": {"p0": 0.01, "beta": 0.5, "limit": 0.05}, "points": points}


def test_the_published_sweep():
    """The mask holds at every price, and every penalty follows the closed form."""
    found = invariance(read(json.loads(PUBLISHED.read_text()), "published"))
    assert (found.mask_state, found.mask.value, found.prices) == ("satisfied", 0.0, (0, REACH))
    assert found.same_policy
    assert found.mask.high < 1e-4
    assert (len(found.penalties), sum(f.judged for f in found.penalties)) == (30, 11)
    assert (found.penalty_state, outside(found.penalties)) == ("satisfied", [])
    assert max(abs(f.observed.value - f.expected.value) for f in found.penalties) < 0.005


@pytest.mark.parametrize("price", [-3.0, 0.0, 5.0, 8.0, 10.0, 400.0, 1e6])
def test_the_closed_form_is_that_of_scipy(price):
    assert optimum(price, 5.0, Setting(p0=0.01, beta=0.5)) == pytest.approx(expit(logit(0.01) + (price - 5) / 0.5))


def test_right_sweeps_are_seldom_rejected():
    found = [invariance(read(sweep(seed, n=2000), "s")) for seed in range(60)]
    assert sum(f.penalty_state != "satisfied" for f in found) <= 8  # 5 % a sweep; above 8 is out of chance's reach
    assert all(f.mask_state == "satisfied" for f in found)


def test_wrong_policies_and_leaking_masks_are_told_apart():
    wrong = invariance(read(sweep(factor=0.8), "s"))
    assert (wrong.penalty_state, wrong.mask_state) == ("not satisfied", "satisfied")
    leaking = invariance(read(sweep(leak=0.001), "s"))
    assert (leaking.penalty_state, leaking.mask_state) == ("satisfied", "not satisfied")
    assert "of 120000 acts under a mask broke the norm" in leaking.mask_reason


def test_a_mask_whose_policy_moves_with_the_price_is_rejected():
    document = sweep()
    next(p for p in document["points"] if p["arm"] == "mask")["logits"] = [0.0, 1.1]
    found = invariance(read(document, "s"))
    assert (found.mask_state, found.same_policy) == ("not satisfied", False)
    assert "changes with the price" in found.mask_reason


def test_a_short_range_of_prices_leaves_it_open():
    found = invariance(read(sweep(prices=(0, 3, 100)), "s"))
    assert found.mask_state == "inconclusive"
    assert "prices from 0 to 100; prices from 0 to 1e+06 are asked for" in found.mask_reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("setting"), "missing required field `setting`"),
        (lambda d: d["setting"].update(beta=0.0), "beta above 0"),
        (lambda d: d["points"].clear(), "needs arms named 'penalty L' and 'mask'"),
        (lambda d: d["points"][0].update(drawn_value=0.123456789), r"points\[0\]: drawn_value 0.123456789 is no share"),
        (lambda d: d["points"][0].update(arm="penalty much"), "arm 'penalty much': write the penalty as a number"),
        (lambda d: d["points"][0].update(n=0), "no share of n = 0"),
    ],
)
def test_broken_documents_are_named(change, message):
    document = sweep()
    change(document)
    with pytest.raises(DataError, match=message):
        read(document, "file.json")


def test_what_is_recorded_reads_back_the_same():
    once = read(sweep(), "s")
    assert read(json.loads(json.dumps(to_builtins(once))), "record") == once
    assert math.isclose(once.setting.p0, 0.01)
