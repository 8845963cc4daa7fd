"""Counting: hit@k against counting by hand, unknown goals, censoring, bounds on nothing seen."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gnomon.redteam.effort import Hits, Null, best, clusters, curve, first_breaks, hit_at, null, outcomes


def row(goal: str, broke: int | None, tries: int, *, family: str = "f", attack: str = "a", **counts: int) -> dict:  # type: ignore[type-arg]
    kept = tries - (broke is not None) - sum(counts.values())
    total = {"broke": int(broke is not None), "kept": kept, "refused": 0, "unscored": 0, "error": 0} | counts
    return {
        "attack": attack,
        "goal": goal,
        "norm": "n",
        "family": family,
        "tries": tries,
        "broke": broke,
        "note": f"{attack} {tries}",
        "outcomes": total,
        "transcript": {"by": attack},
    }


ROWS = [
    row("1", 1, 1),
    row("2", 3, 3, family="g"),
    row("3", None, 5),
    row("4", None, 5, error=5),
    row("5", 5, 5, unscored=2),
]


def test_hits_by_hand() -> None:
    assert hit_at(ROWS, 1) == Hits(1, 1, 4, 1)
    assert hit_at(ROWS, 3) == Hits(3, 2, 4, 1)
    assert hit_at(ROWS, 5) == Hits(5, 3, 4, 1)
    assert curve(ROWS) == [hit_at(ROWS, k) for k in (1, 3, 5)]
    assert curve([]) == [Hits(1, 0, 0, 0)]


def test_first_breaks_are_censored_where_nothing_broke() -> None:
    assert first_breaks(ROWS) == [(1, True), (3, True), (5, False), (5, False), (5, True)]


def test_outcomes_add_up_to_all_tries() -> None:
    assert outcomes(ROWS) == {"broke": 3, "kept": 9, "refused": 0, "unscored": 2, "error": 5}
    assert sum(outcomes(ROWS).values()) == sum(r["tries"] for r in ROWS)


def test_clusters_leave_out_what_is_not_known() -> None:
    assert clusters(ROWS, 3) == [("f", True), ("g", True), ("f", False), ("f", False)]


def test_a_bound_needs_scored_tries_and_no_break() -> None:
    assert null(ROWS) is None
    assert null([row("1", None, 7, error=3, unscored=1), row("2", None, 4, error=4), row("3", None, 2)]) == Null(2, 5)
    assert null([]) == Null(0, 0)


def test_over_attacks_a_goal_breaks_when_any_attack_breaks_it_at_the_fewest_tries() -> None:
    rows = [
        row("1", 4, 4, attack="a"),
        row("1", 2, 2, attack="b"),
        row("1", None, 5, attack="c"),
        row("2", None, 3, attack="a"),
        row("2", None, 3, attack="b", error=3),
    ]
    one, two = best(rows)
    assert (one["broke"], one["attack"], one["tries"], one["transcript"]) == (2, "b", 11, {"by": "b"})
    assert (two["broke"], two["tries"], two["outcomes"]["error"]) == (None, 6, 3)
    assert rows[0]["tries"] == 4


BREAKS = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12)


@given(BREAKS)
def test_the_curve_never_falls_and_ends_at_all_that_broke(breaks: list[tuple[int, bool]]) -> None:
    rows = [row(str(i), tries if broke else None, tries) for i, (tries, broke) in enumerate(breaks)]
    points = curve(rows, range(1, 10))
    assert all(a.broken <= b.broken and a.n == b.n for a, b in pairwise(points))
    assert points[-1].broken == sum(broke for _, broke in breaks)
    assert all(p.broken == sum(broke and tries <= p.k for tries, broke in breaks) for p in points)
