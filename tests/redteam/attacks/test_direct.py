"""Direct: the goal as it is, as often as stated."""

import pytest

from gnomon.core.protocols import Budget
from gnomon.redteam.attacks.direct import Direct

from ..conftest import goal
from ..test_contract import drive


@pytest.mark.parametrize(("repeats", "tries", "made"), [(1, 9, 1), (4, 9, 4), (9, 4, 4)])
def test_it_asks_as_often_as_stated_and_changes_nothing(repeats: int, tries: int, made: int) -> None:
    attempts = drive(Direct(repeats=repeats), goal(), Budget(tries=tries), 0)
    assert [a.prompt for a in attempts] == [goal().prompt] * made
