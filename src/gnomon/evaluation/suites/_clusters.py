"""What suites that compare items of one cluster share: the items of each, and one value made of them.

It knows nothing of what they mean. A cluster with a missing answer has no value; its first item stands for it, and the
first of two items stands for a contrast, which is the difference of two items that differ in one thing.
Source: ARCHITECTURE.md, "an item's cluster is what makes items alike". Units: differences of the items' values.
"""

from collections.abc import Callable, Mapping, Sequence

from gnomon.evaluation.items import Item
from gnomon.evaluation.suites._values import Value

Read = Callable[[Item], float | None]
"""What one item came to; None: it has no answer."""


def clusters(items: Sequence[Item]) -> list[list[Item]]:
    """The items of each cluster, both in order of first appearance."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.cluster, []).append(item)
    return list(found.values())


def whole(
    items: Sequence[Item],
    found: Sequence[float | str | None],
    value: Callable[..., float],
    *,
    of: int | None = None,
) -> Value:
    """The value of a cluster from what each of its items came to; None unless all of them (and `of` them) are there."""
    known = [f for f in found if f is not None]
    there = len(known) == len(items) and of in (None, len(known))
    return Value(items[0], value(*known) if there else None)


def by_condition(items: Sequence[Item], group: str) -> dict[str, dict[str, Item]]:
    """By cluster, its items by what their `group` says."""
    found: dict[str, dict[str, Item]] = {}
    for item in items:
        found.setdefault(item.cluster, {})[item.groups[group]] = item
    return found


def differences(clusters: Mapping[str, Mapping[str, Item]], minuend: str, subtrahend: str, read: Read) -> list[Value]:
    """By cluster, what the first condition came to less what the second did; clusters without the first are no part."""
    found = []
    for conditions in clusters.values():
        if (first := conditions.get(minuend)) is not None:
            second = conditions.get(subtrahend)
            found.append(Value(first, less(read(first), None if second is None else read(second))))
    return found


def less(first: float | None, second: float | None) -> float | None:
    """The difference, or None when either is missing."""
    return None if first is None or second is None else first - second
