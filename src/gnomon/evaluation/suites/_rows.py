"""Rows of the data that a suite reads (`core.tables`), and items that no two of have one id.

It reads nothing itself. Fails: closed; two rows with one id are a DataError.
"""

from gnomon.core.errors import DataError
from gnomon.core.tables import Row as Row
from gnomon.core.tables import drawn as drawn
from gnomon.core.tables import rows as rows
from gnomon.evaluation.items import Item


def apart(items: list[Item]) -> list[Item]:
    """The items, if no two have one id; answers go by it."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise DataError(f"two rows are called '{item.id}'; give each an id of its own")
        seen.add(item.id)
    return items
