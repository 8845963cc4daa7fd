"""Reading messages: texts inside arguments, spans and what is put in their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.types import Message, Span, ToolCall, Transcript
from gnomon.guard.reading import (
    DEEPEST,
    MOST_CHARACTERS,
    argument_text,
    fault,
    in_message,
    texts,
    with_arguments,
    with_last,
    without,
)


def test_every_key_and_scalar_of_an_argument_is_read() -> None:
    value = {"a": ["x", {"b": None, "c": 1.5}], "d": True}
    assert list(texts(value)) == ["a", "x", "b", "None", "c", "1.5", "d", "True"]


def test_too_deep_or_no_json_raises() -> None:
    deep: object = "x"
    for _ in range(DEEPEST + 1):
        deep = [deep]
    with pytest.raises(ValueError, match="deep"):
        list(texts(deep))
    with pytest.raises(ValueError, match="no JSON"):
        list(texts({"a": {1, 2}}))


def test_arguments_stand_behind_the_text() -> None:
    call = ToolCall(name="look_up", arguments={"q": ["x", 7]})
    spoken = with_arguments(Transcript((Message("user", "hi"), Message("assistant", "Yes", (call,)))))
    assert [m.content for m in spoken.messages] == ["hi", "Yes\nlook_up\nq\nx\n7"]
    assert argument_text(Message("assistant", "x")) == ""


def test_only_the_last_message_is_exchanged() -> None:
    before = Transcript((Message("user", "a"), Message("assistant", "b")))
    assert [m.content for m in with_last(before, "c").messages] == ["a", "c"]
    assert before.reply == "b"


def test_spans_are_clipped_sorted_and_of_one_message() -> None:
    spans = [Span(1, 4, 99), Span(0, 0, 1), Span(1, -2, 2), Span(1, 9, 9)]
    assert in_message(spans, 1, 6) == (Span(1, 0, 2), Span(1, 4, 6))


def test_overlapping_spans_are_masked_once() -> None:
    assert without("abcdefgh", [Span(0, 1, 3), Span(0, 2, 5), Span(0, 5, 6), Span(0, 7, 8)], "*") == "a*g*"
    assert without("abc", [], "*") == "abc"


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_what_is_outside_the_spans_stays(text: str, pairs: list[tuple[int, int]]) -> None:
    spans = in_message([Span(0, min(p), max(p)) for p in pairs], 0, len(text))
    covered = {i for s in spans for i in range(s.start, s.end)}
    assert without(text, spans, "") == "".join(c for i, c in enumerate(text) if i not in covered)


def test_too_much_text_is_a_fault() -> None:
    assert "more than" in fault(Transcript((Message("user", "x" * (MOST_CHARACTERS + 1)),)))
    assert fault(Transcript((Message("user", "x"),))) == ""
