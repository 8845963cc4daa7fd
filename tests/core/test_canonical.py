import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.canonical import canonical, digest, from_builtins, to_builtins
from gnomon.core.errors import DataError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Estimate, Message, Record, Score, Span, ToolCall, Transcript, Verdict


def test_the_examples_of_the_standard():
    """RFC 8785 sections 3.2.2 and 3.2.3."""
    numbers = [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001]
    assert canonical({"numbers": numbers}) == b'{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'
    order = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]  # by UTF-16 code units
    text = canonical(dict.fromkeys(sorted(order), 0)).decode()
    assert text == "{" + ",".join('"' + name.replace("\r", "\\r") + '":0' for name in order) + "}"


@pytest.mark.parametrize(
    "noun",
    [
        Message("user", "hello"),
        Transcript((Message("user", "a"), Message("assistant", "b", (ToolCall(name="t"),))), {"x": 1}),
        Record(kind="a", payload="b"),
        Score(value=None, reason="none"),
        Score(value=1.0, spans=(Span(0, 1, 2),)),
        Verdict(action="allow"),
        Sampling(temperature=0.5),
        Estimate(value=0.5, low=0.0, high=1.0, n=3, unit="rate", method="m"),
    ],
)
def test_a_noun_read_back_is_the_same_noun_with_the_same_digest(noun):
    plain = to_builtins(noun)
    assert from_builtins(plain, type(noun)) == noun
    assert digest(from_builtins(plain, type(noun))) == digest(noun)


def test_a_default_that_was_left_out_does_not_change_the_id():
    short = {"messages": [{"role": "user", "content": "hello"}]}
    assert from_builtins(short, Transcript).id == Transcript((Message("user", "hello"),)).id
    assert from_builtins({"kind": "a", "payload": "b"}, Record).id == Record(kind="a", payload="b").id


def test_asking_for_the_id_does_not_change_it():
    record = Record(kind="a", payload="b")
    assert record.id == digest(record) == digest(record)


@given(st.dictionaries(st.integers(-5, 5), st.tuples(st.integers(), st.booleans()), max_size=3))
def test_plain_values(value):
    assert to_builtins(value) == {str(k): list(v) for k, v in value.items()}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {"a": -(2**60)}])
def test_what_json_cannot_hold(value):
    with pytest.raises(DataError):
        canonical(value)


def test_a_wrong_field_is_named():
    with pytest.raises(DataError, match=r"row 3: .*content"):
        from_builtins({"role": "user", "content": 3}, Message, where="row 3")
