"""Budgets of a whole run: what is used up, what is set aside, and a clock that goes on over sittings."""

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget
from gnomon.redteam.spending import Meter, Prices, Whole, checked


def test_money_is_tokens_at_the_prices_of_who_was_asked() -> None:
    prices = Prices(target_in=1, target_out=4, attacker_in=10, attacker_out=40)
    assert prices.of(False, 1_000_000, 500_000) == 3
    assert prices.of(True, 100_000, 100_000) == 5


@pytest.mark.parametrize(("budget", "whole"), [(Budget(money=1.0), Whole()), (Budget(), Whole(money=1.0))])
def test_a_budget_of_money_needs_prices(budget: Budget, whole: Whole) -> None:
    with pytest.raises(SettingsError, match="price_in"):
        checked(budget, whole, Prices())
    checked(budget, whole, Prices(target_out=0.1))


@pytest.mark.parametrize("name", ["tries", "tokens", "money", "seconds"])
def test_each_budget_ends_the_run_under_its_own_name(name: str) -> None:
    now = 5.0
    meter = Meter(Whole(**{name: 10}), clock=lambda: now)
    assert not meter.spent()
    meter.start()
    meter.tries = meter.tokens = 10
    meter.money, now = 10.0, 15.0
    assert meter.spent() == f"the run's budget: {name}"
    assert not Meter(Whole(), tries=10**9).spent()


def test_what_is_under_way_is_set_aside_and_a_guess_never_stands_in_the_way_of_the_first() -> None:
    meter = Meter(Whole(tries=3, tokens=100))
    assert meter.may(1, 1000, 0)
    meter.aside(1, 1, 60, 0)
    assert not meter.may(1, 60, 0)
    assert meter.may(1, 40, 0)
    meter.aside(1, 2, 0, 0)
    assert not meter.may(1, 0, 0)
    meter.aside(-1, 2, 0, 0)
    meter.aside(-1, 1, 60, 0)
    assert (meter.under_way, meter.aside_tries, meter.aside_tokens) == (0, 0, 0)


def test_the_clock_goes_on_where_the_last_answer_of_an_earlier_sitting_came() -> None:
    now = 100.0
    meter = Meter(Whole(seconds=50), clock=lambda: now)
    meter.remembered(30.0)
    meter.remembered(20.0)
    assert meter.seconds() == 30
    meter.start()
    now = 119.0
    assert (meter.seconds(), meter.spent()) == (49, "")
    meter.remembered(1000.0)
    now = 120.0
    assert meter.spent()


def test_shares_of_a_budget_are_its_parts() -> None:
    half = Whole(tries=10, tokens=7, money=1.0, seconds=9.0).share(0.5)
    assert half == Whole(tries=5, tokens=3, money=0.5, seconds=9.0)
    assert Whole(tries=1).share(0.1).tries == 1
    assert not Whole().share(0.5).limited
