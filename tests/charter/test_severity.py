"""Severity: as stated, else by the guard's duty; how far the two lie apart."""

from typing import get_args

import pytest

from gnomon.charter.policy import OnBreach
from gnomon.charter.severity import BY_BREACH, LEVELS, Severity, apart, severity


def test_every_duty_stands_for_a_level_and_every_level_has_its_place() -> None:
    assert set(BY_BREACH) == set(get_args(OnBreach))
    assert set(LEVELS) == set(get_args(Severity))
    assert set(BY_BREACH.values()) <= set(LEVELS)


@pytest.mark.parametrize("duty", list(get_args(OnBreach)))
def test_what_is_stated_counts_and_else_the_duty(duty: OnBreach) -> None:
    assert severity(duty) == BY_BREACH[duty]
    assert apart(duty, None) == 0
    for level in LEVELS:
        assert severity(duty, level) == level


def test_levels_apart() -> None:
    assert apart("suspend", "low") == 3
    assert apart("redact", "critical") == -2
    assert apart("deny", "medium") == 1
