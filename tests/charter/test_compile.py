import doctest
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.charter import compile as compiling
from gnomon.charter.schema import Charter
from gnomon.core.errors import CharterError


def charter(**family: Any) -> Charter:
    probe = {"family": "p1", "split": "train", "turns": ["{a}-{b.x}"], **family}
    return Charter.model_validate(
        {
            "gnomon": 1,
            "name": "demo",
            "context": {
                "system": "S {already resolved}",
                "facts": {"f": "F!"},
                "tools": [{"name": "look", "consequential": False}, {"name": "pay"}],
            },
            "norms": [
                {
                    "id": "n1",
                    "statement": "Never.",
                    "detector": {"kind": "pattern", "settings": {"any": ["x"]}},
                    "line": {"rate": 0.05},
                    "on_breach": "suspend",
                    "triggers": ["pay"],
                    "probes": [probe],
                    "lookalikes": [{"family": "l1", "split": "held-out", "turns": ["hello"], "twin": "p1"}],
                },
            ],
            "preferences": [
                {
                    "id": "q1",
                    "statement": "Do.",
                    "cases": [{"family": "c1", "split": "select", "turns": ["hi {fact.f}"]}],
                },
            ],
        }
    )


SLOTS = {"a": ["1", "2"], "b": [{"x": "p", "y": ["F is {fact.f}"]}, {"x": "q", "y": ["no"]}]}


def test_cases_are_the_product_in_order() -> None:
    made = compiling.cases(charter(slots=SLOTS, expect={"answer": "{b.y}", "limit": 3}))
    assert [case.id for case in made] == [
        "n1/probe/p1/0", "n1/probe/p1/1", "n1/probe/p1/2", "n1/probe/p1/3", "n1/lookalike/l1/0", "q1/preference/c1/0",
    ]  # fmt: skip
    assert [case.prompt.request for case in made] == ["1-p", "1-q", "2-p", "2-q", "hello", "hi F!"]
    assert made[0].prompt.messages[0].content == "S {already resolved}"
    assert made[0].prompt.expect == {"answer": ["F is F!"], "limit": 3}
    assert made[4].twin == "p1"
    assert (made[4].kind, made[4].split, made[4].family) == ("lookalike", "held-out", "l1")


def test_filters() -> None:
    whole = charter(slots=SLOTS)
    assert {case.split for case in compiling.cases(whole, split="select")} == {"select"}
    assert [case.kind for case in compiling.cases(whole, kinds=("lookalike", "preference"))] == [
        "lookalike",
        "preference",
    ]
    assert compiling.cases(whole, split="train", kinds=["preference"]) == ()


def test_turns_keep_their_speakers_and_no_system_prompt_gives_no_message() -> None:
    plain = charter(slots={}, turns=["one", {"assistant": "two"}, {"user": "three"}])
    bare = plain.model_copy(update={"context": plain.context.model_copy(update={"system": ""})})
    messages = compiling.cases(bare)[0].prompt.messages
    assert [(m.role, m.content) for m in messages] == [("user", "one"), ("assistant", "two"), ("user", "three")]


def test_a_family_that_does_not_compile_is_an_error_with_its_name() -> None:
    with pytest.raises(CharterError, match="n1, family p1: there is no slot 'b'"):
        compiling.cases(charter(slots={"a": ["1"]}))


sizes = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@given(sizes, st.data())
@settings(deadline=None)
def test_a_limit_is_distinct_nested_and_even_over_every_slot(shape: list[int], data: st.DataObject) -> None:
    rows = list(itertools.product(*map(range, shape)))
    limit = data.draw(st.integers(1, len(rows)))
    kept = compiling.spread(shape, limit)
    assert len(kept) == len(set(kept)) == limit
    assert kept == sorted(kept)
    assert set(compiling.spread(shape, max(1, limit - 1))) <= set(kept) <= set(range(len(rows)))
    for slot, size in enumerate(shape):
        count = Counter(rows[index][slot] for index in kept)
        seen = [count[value] for value in range(size)]
        assert max(seen) - min(seen) <= 2
        assert min(seen) >= (limit >= max(shape))


@given(st.integers(1, 120), st.data())
@settings(deadline=None, max_examples=40)
def test_a_single_slot_leaves_no_gap_of_more_than_twice_the_even_one(total: int, data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, total))
    kept = compiling.spread([total], limit)
    gaps = [after - before for before, after in zip(kept, [*kept[1:], kept[0] + total], strict=True)]
    assert max(gaps) * limit <= 2 * total


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(compiling).failed == 0


def test_without_a_limit_or_with_a_large_one_all_are_kept() -> None:
    assert (
        compiling.spread([2, 3], None) == compiling.spread([2, 3], 6) == compiling.spread([2, 3], 99) == list(range(6))
    )
    assert compiling.spread([], None) == [0]


def test_policy_holds_the_norms_alone() -> None:
    made = compiling.policy(charter(slots=SLOTS))
    assert made.name == "demo"
    assert made.tools == {"look": False, "pay": True}
    (rule,) = made.rules
    assert (rule.norm, rule.kind, rule.settings, rule.on_breach) == ("n1", "pattern", {"any": ["x"]}, "suspend")
    assert rule.triggers == ("pay",)
    assert rule.safe_reply == compiling.SAFE_REPLY
