import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.charter import locate
from gnomon.core.errors import CharterError

SOURCE = """\
a: 1
b:
  - text: >-
      first line
      and {here}
  - {c: "x", d: [1, yes]}
"""


def test_data_and_places() -> None:
    found = locate.parse(SOURCE, "f.yaml")
    assert found.data == {"a": 1, "b": [{"text": "first line and {here}"}, {"c": "x", "d": [1, True]}]}
    assert found.place(("b", 1, "d", 1)) == (6, 21)
    assert found.place(("b", 1, "d"), key=True) == (6, 14)
    assert found.place(("b", 0, "text"), text="{here}") == (5, 11)
    assert found.place(("b", 1, "missing", 3)) == (6, 5)
    assert found.message(("a",), "is odd") == "f.yaml:1:4: is odd"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "f:1:1: the charter is empty"),
        ("a: 1\nb: [1\nc: 2\n", "f:3:2: not YAML"),
        ("a: x: y\n", 'f:1:5: not YAML: mapping values are not allowed here; write quotes "…"'),
        ("a: [what?, b]\n", "f:1:9: not YAML: expected ',' or ']', but got '?'; write quotes \"…\""),
        ("a:\n\t- b\n", "f:2:1: not YAML: found character '\\t' that cannot start any token; write spaces, not tabs"),
        ("a: 1\nb: 2\n  \na: 3\n", "f:4:1: the key 'a' stands twice"),
        ("1: a\n", 'f:1:1: a key must be a text; write "1" with quotes'),
        ("a: !include other.yaml\n", "f:1:4: not YAML: could not determine a constructor for the tag '!include'"),
        ("a: !!set {b}\n", "f:1:4: not YAML"),
        ("a: 1\n---\nb: 2\n", "f:2:1: not YAML"),
        ("a: &x [*x]\n", "f:1:1: an alias holds itself"),
        ("a: 1\nb: \x07\n", "f:2:4: a character that YAML forbids"),
    ],
)
def test_what_is_no_charter_text(source: str, message: str) -> None:
    with pytest.raises(CharterError) as caught:
        locate.parse(source, "f")
    assert str(caught.value).startswith(message), str(caught.value)


def test_a_date_is_read_as_the_text_that_stands_there() -> None:
    assert locate.parse("a: 2024-01-01\nb: 2024-13-99\n", "f").data == {"a": "2024-01-01", "b": "2024-13-99"}


@given(st.text(max_size=200))
def test_any_text_is_data_or_a_charter_error_with_a_place(source: str) -> None:
    try:
        locate.parse(source, "f")
    except CharterError as error:
        name, line, column, *_ = str(error).split(":")
        assert name == "f"
        assert 1 <= int(line) <= len(source) + 1
        assert int(column) >= 1
