"""Items of a suite: no two have one id."""

import pytest

from gnomon.core.errors import DataError
from gnomon.evaluation.items import Item, plain
from gnomon.evaluation.suites._rows import apart


def test_two_items_of_one_name_are_refused() -> None:
    items = [Item(id=i, cluster=i, prompt=plain("x")) for i in "aba"]
    assert apart(items[:2]) == items[:2]
    with pytest.raises(DataError, match="two rows are called 'a'"):
        apart(items)
