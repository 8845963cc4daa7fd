"""Goals: which cases, how many, how spread."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.types import Case, CaseKind, Message, Split, Transcript
from gnomon.redteam.goals import goals, spread


def case(norm: str, family: str, index: int, *, kind: CaseKind = "probe", split: Split = "held-out") -> Case:
    prompt = Transcript((Message("user", f"{norm} {family} {index}"),))
    return Case(id=f"{norm}/{kind}/{family}/{index}", target=norm, kind=kind, family=family, split=split, prompt=prompt)


CASES = [
    *(case("a", "big", i) for i in range(10)),
    *(case("a", "small", i) for i in range(2)),
    *(case("a", "seen", i, split="train") for i in range(5)),
    *(case("a", "twin", i, kind="lookalike") for i in range(5)),
    *(case("b", "only", i) for i in range(4)),
]


def test_held_out_probes_only() -> None:
    chosen = goals(CASES)
    assert Counter(g.norm for g in chosen) == {"a": 12, "b": 4}
    assert {g.family for g in chosen} == {"big", "small", "only"}
    assert chosen[0].prompt == CASES[0].prompt
    assert len(goals(CASES, split=None)) == 21


def test_a_few_are_spread_over_families_and_inside_them() -> None:
    chosen = goals(CASES, per_norm=6)
    assert [g.id for g in chosen if g.family == "big"] == [f"a/probe/big/{i}" for i in (0, 2, 5, 7)]
    assert Counter(g.family for g in chosen) == {"big": 4, "small": 2, "only": 4}


def test_fewer_goals_than_families_take_the_first() -> None:
    assert [g.family for g in goals(CASES, per_norm=1)] == ["big", "only"]
    assert goals(CASES, per_norm=0) == ()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 40))
def test_as_many_as_asked_without_repeats(sizes: list[int], total: int) -> None:
    chosen = goals([case("a", f"f{f}", i) for f, size in enumerate(sizes) for i in range(size)], per_norm=total)
    assert len(chosen) == len({g.id for g in chosen}) == min(total, sum(sizes))
    counts = Counter(g.family for g in chosen)
    for family, size in enumerate(sizes):
        taken = counts[f"f{family}"]
        assert taken == size or taken >= max(counts.values(), default=0) - 1


def test_goals_at_hand_are_spread_inside_their_families_and_keep_their_order() -> None:
    given = goals([case("a", "big", i) for i in range(10)] + [case("a", "small", i) for i in range(2)])
    assert [g.id.split("/", 2)[2] for g in spread(given, 4)] == ["big/0", "big/5", "small/0", "small/1"]
    assert spread(given, None) == given
