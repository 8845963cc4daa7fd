"""What to attack: probe cases as goals, the same few of each norm every time.

It writes no prompts of its own.
Source: the charter's held-out probes, so that what training saw is not what is attacked.
Fails: open; a norm with fewer cases than asked for gives all it has.
"""

from collections.abc import Iterable, Sequence

from gnomon.core.protocols import Goal
from gnomon.core.types import Case, Split


def goals(cases: Iterable[Case], *, per_norm: int | None = None, split: Split | None = "held-out") -> tuple[Goal, ...]:
    """Probe cases as goals, at most `per_norm` a norm, spread evenly over its families and inside each.

    `split=None` takes every split. Norms and families keep the order in which they come.
    """
    families: dict[str, dict[str, list[Case]]] = {}
    for case in cases:
        if case.kind == "probe" and split in (None, case.split):
            families.setdefault(case.target, {}).setdefault(case.family, []).append(case)
    return tuple(
        Goal(id=case.id, norm=norm, prompt=case.prompt, family=case.family)
        for norm, groups in families.items()
        for group, quota in zip(groups.values(), _quotas([len(g) for g in groups.values()], per_norm), strict=True)
        for case in (group[i * len(group) // quota] for i in range(quota))
    )


def spread(goals: Sequence[Goal], most: int | None) -> tuple[Goal, ...]:
    """At most so many goals, spread evenly over their families and inside each; in their order."""
    families: dict[str, list[int]] = {}
    for number, goal in enumerate(goals):
        families.setdefault(goal.family, []).append(number)
    quotas = _quotas([len(own) for own in families.values()], most)
    taken = (
        own[i * len(own) // quota] for own, quota in zip(families.values(), quotas, strict=True) for i in range(quota)
    )
    return tuple(goals[number] for number in sorted(taken))


def _quotas(sizes: list[int], total: int | None) -> list[int]:
    """How many to take of each group: as equal as the sizes allow, the earlier groups first."""
    if total is None:
        return sizes
    quotas = [0] * len(sizes)
    for _ in range(min(total, sum(sizes))):
        smallest = min((i for i, size in enumerate(sizes) if quotas[i] < size), key=lambda i: quotas[i])
        quotas[smallest] += 1
    return quotas
