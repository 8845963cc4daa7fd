import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.charter import placeholders

KNOWN = placeholders.values(
    {"a": "A is 1.", "b": "B is {x}."}, {"code": "KV-1"}, {"w": "word", "m": {"q": "Q?", "n": 3}}
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("say {w}", "say word"),
        ("{m.q} {fact.a}", "Q? A is 1."),
        ("{facts}!", "A is 1.\nB is {x}.!"),
        ("{ secret.code }", "KV-1"),
        ("a{2,3} {} { not a name", "a{2,3} {} { not a name"),
        ("{{w}}", "{w}"),
        ("{{{w}}}", "{word}"),
        ("{m.n}", 3),
        ("n={m.n}", "n=3"),
    ],
)
def test_fill(text: str, filled: object) -> None:
    assert placeholders.fill(text, KNOWN) == filled


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{nope}", "no slot 'nope'"),
        ("{fact.aa}", "no 'fact.aa'"),
        ("{fact}", "several values"),
        ("{w.q}", "plain text"),
    ],
)
def test_unknown_names_are_listed(text: str, says: str) -> None:
    with pytest.raises(LookupError, match=says):
        placeholders.fill(text, KNOWN)


def test_a_list_cannot_stand_inside_a_text() -> None:
    known = {"item": {"answers": ["a", "b"]}}
    assert placeholders.fill_tree({"answer": "{item.answers}"}, known) == {"answer": ["a", "b"]}
    with pytest.raises(TypeError, match="no text"):
        placeholders.fill("say {item.answers}", known)
    with pytest.raises(TypeError, match="no text"):
        placeholders.fill_text("{item.answers}", known)


@given(st.text())
def test_an_escaped_text_comes_back_unchanged(text: str) -> None:
    assert placeholders.fill(placeholders.escape(text), {}) == text


@given(st.text(), st.text(), st.text())
def test_a_value_is_inserted_as_it_is_and_not_filled_again(before: str, value: str, after: str) -> None:
    template = placeholders.escape(before) + "{v}" + placeholders.escape(after)
    if before or after:
        assert placeholders.fill(template, {"v": value}) == before + value + after
    else:
        assert placeholders.fill(template, {"v": value}) == value


@given(st.recursive(st.none() | st.integers(), lambda c: st.lists(c, max_size=3), max_leaves=8))
def test_a_tree_without_texts_stays_as_it_is(value: object) -> None:
    assert placeholders.fill_tree(value, {}) == value
