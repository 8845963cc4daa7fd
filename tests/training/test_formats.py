import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError
from gnomon.core.types import Message
from gnomon.training.formats import ALSO, COLUMNS, convert, recognise


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


HELLO = (Message("user", "hello"),)
FINE = {
    "hh-rlhf": (
        {"chosen": "\n\nHuman: hello\n\nAssistant: hi", "rejected": "\n\nHuman: hello\n\nAssistant: no"},
        ("preference", HELLO, ("hi", "no"), 0.0),
    ),
    "hh-rlhf, prompt apart": (
        {"prompt": "\n\nHuman: hello\n\nAssistant:", "chosen": " hi", "rejected": " no"},
        ("preference", HELLO, (" hi", " no"), 0.0),
    ),
    "implicit prompt": (
        {"chosen": [user("hello"), said("hi")], "rejected": [user("hello"), said("no")]},
        ("preference", HELLO, ("hi", "no"), 0.0),
    ),
    "text": (
        {"prompt": "hello", "chosen": "hi", "rejected": "no", "margin": 2, "id": "any"},
        ("preference", HELLO, ("hi", "no"), 2.0),
    ),
    "conversational": (
        {"prompt": [user("hello")], "chosen": [said("hi")], "rejected": [said("no")]},
        ("preference", HELLO, ("hi", "no"), 0.0),
    ),
    "system column": (
        {"system": "be kind", "prompt": "hello", "chosen": "hi", "rejected": "no"},
        ("preference", (Message("system", "be kind"), *HELLO), ("hi", "no"), 0.0),
    ),
    "system in the conversations alone": (
        {
            "prompt": "hello",
            "chosen": [{"role": "system", "content": "be kind"}, user("hello"), said("hi")],
            "rejected": [{"role": "system", "content": "be kind"}, user("hello"), said("no")],
        },
        ("preference", (Message("system", "be kind"), *HELLO), ("hi", "no"), 0.0),
    ),
    "UltraFeedback": (
        {
            "instruction": "hello",
            "models": ["a", "b", "c"],
            "completions": [
                {"response": "so", "overall_score": 10.0, "annotations": {"x": {"Rating": "1"}, "y": {"Rating": "2"}}},
                {"response": "hi", "overall_score": 7.0, "annotations": {"x": {"Rating": "5"}, "y": {"Rating": "4"}}},
                {"response": "no", "overall_score": 3.0, "annotations": {"x": {"Rating": "1"}, "y": {"Rating": "1"}}},
            ],
        },
        ("preference", HELLO, ("hi", "no"), 3.5),
    ),
    "UltraFeedback, one rating lacks": (
        {
            "instruction": "hello",
            "completions": [
                {"response": "hi", "overall_score": 7.0, "annotations": {"x": {"Rating": "N/A"}}},
                {"response": "no", "overall_score": 3.0, "annotations": {"x": {"Rating": "1"}}},
            ],
        },
        ("preference", HELLO, ("hi", "no"), 4.0),
    ),
    "KTO": ({"prompt": "hello", "completion": "hi", "label": True}, ("labelled", HELLO, ("hi",), 1.0)),
    "KTO, conversational": (
        {"prompt": [user("hello")], "completion": [said("no")], "label": 0},
        ("labelled", HELLO, ("no",), 0.0),
    ),
    "prompt and completion": ({"prompt": "hello", "completion": "hi"}, ("demonstration", HELLO, ("hi",), 0.0)),
    "messages": ({"messages": [user("hello"), said("hi")]}, ("demonstration", HELLO, ("hi",), 0.0)),
    "conversations": (
        {"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}]},
        ("demonstration", HELLO, ("hi",), 0.0),
    ),
    "instruction and output": (
        {"instruction": "add", "input": "1 2", "output": "3"},
        ("demonstration", (Message("user", "add\n\n1 2"),), ("3",), 0.0),
    ),
    "prompts": ({"prompt": "hello", "category": "x"}, ("prompt", HELLO, (), 0.0)),
}


@pytest.mark.parametrize("name", FINE)
def test_every_format_ends_in_one_form(name):
    row, expected = FINE[name]
    made = convert(row, recognise(row))
    assert (made.kind, made.prompt, made.replies, made.value) == expected


@pytest.mark.parametrize("name", FINE)
def test_nulls_are_columns_that_are_absent(name):
    """Parquet and hub sets write null where a row lacks a column that another has."""
    row, _ = FINE[name]
    blank = dict.fromkeys(("margin", "tools", "system", "label", "messages", "score_chosen"))
    assert convert(blank | row, recognise(blank | row)) == convert(row, recognise(row))


BINARIZED = {
    "prompt": "hello",
    "prompt_id": "7",
    "messages": [user("hello"), said("hi")],
    "chosen": [user("hello"), said("hi")],
    "rejected": [user("hello"), said("no")],
    "score_chosen": 8.5,
    "score_rejected": 6.0,
}


def test_a_row_of_several_meanings_needs_its_kind():
    with pytest.raises(DataError, match=r"several formats: preference \(preference\), messages \(demonstration\)"):
        recognise(BINARIZED)
    pair = convert(BINARIZED, recognise(BINARIZED, ("preference",)))
    assert (pair.prompt, pair.replies, pair.value) == (HELLO, ("hi", "no"), 2.5)
    shown = convert(BINARIZED, recognise(BINARIZED, ("demonstration", "preference")))
    assert (shown.kind, shown.replies) == ("demonstration", ("hi",))
    assert convert(BINARIZED, recognise(BINARIZED, ("prompt",))).replies == ()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (["chosen"], "is a list of 1 str; write an object"),
        ({}, "has no columns; known formats: hh-rlhf"),
        ({"text": "x", "label": 1}, "'label'.*known formats"),
        ({"prompt": "x", "chosen": "y"}, "for preference, 'rejected' is missing; .*prompt part, say so by the kind"),
        ({"chosen": "\n\nHuman: x\n\nAssistant: y"}, "'rejected' is missing"),
        ({"chosen": "The sky is blue", "rejected": "The sky is green"}, "for preference, 'prompt' is missing"),
        ({"prompt": "x", "completion": "y", "label": "good"}, "'label' is text, it must be true or false"),
        ({"prompt": "x", "completion": "y", "label": 0.5}, "'label' is float 0.5"),
        ({"prompt": "x", "chosen": "y", "rejected": [said("z")]}, "'chosen' is text, but 'rejected' is messages"),
        ({"messages": []}, "'messages' is an empty list"),
        ({"messages": ["x"]}, "'messages' is a list of 1 str"),
    ],
)
def test_what_is_not_recognised_is_explained(row, told):
    with pytest.raises(DataError, match=told):
        recognise(row)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: b"},
            r"chosen \(2 messages\) and rejected \(2\) differ from message 1 on",
        ),
        ({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant:"}, "a reply is empty"),
        ({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a"}, "rejected.*differ|of the user"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "are the same; there is nothing to learn"),
        ({"prompt": " ", "chosen": "b", "rejected": "c"}, "the prompt ends with user ' '"),
        ({"prompt": [user("a"), said("b")], "completion": "c"}, "the prompt ends with assistant 'b'"),
        ({"messages": [said("b")]}, "the prompt ends with nothing"),
        ({"messages": [user("b")]}, "ends with a message of the user"),
        ({"prompt": "a", "completion": [user("z"), said("b")]}, "neither is one reply nor begins with the prompt"),
        ({"prompt": "a", "chosen": "b", "rejected": "c", "margin": "big"}, "'margin' is 'big'; write a number"),
        (
            {"prompt": "a", "chosen": "b", "rejected": "c", "score_chosen": 1, "score_rejected": 2},
            "'score_chosen' is 1, below 'score_rejected' 2; are they swapped",
        ),
        ({"prompt": "a", "completion": "b", "tools": [{"name": "f"}]}, "has 'tools'"),
        (
            {"instruction": "a", "completions": [{"response": "b", "overall_score": 1}] * 2},
            "all 2 completions are rated 1",
        ),
        ({"instruction": "a", "completions": [{"response": "b"}, {"response": "c"}]}, "not every completion has a rat"),
    ],
)
def test_broken_rows_say_what_to_write(row, told):
    with pytest.raises(DataError, match=told):
        convert(row, recognise(row))


def test_the_names_that_examples_read():
    row, _ = FINE["text"]
    assert convert(row, recognise(row)).plain() == {
        "case": "",
        "prompt": [{"role": "user", "content": "hello", "tool_calls": [], "name": ""}],
        "chosen": "hi",
        "rejected": "no",
        "margin": 2.0,
    }
    row, _ = FINE["KTO"]
    assert convert(row, recognise(row)).plain()["label"] is True
    row, _ = FINE["messages"]
    assert convert(row, recognise(row)).plain()["chosen"] == "hi"


def test_what_is_expected_of_a_reply_stays_with_its_prompt():
    for row in ({"prompt": "1+1?", "answer": "2"}, {"prompt": "1+1?", "expect": {"answer": "2"}, "answer": "3"}):
        assert convert(row, recognise(row)).expect == {"answer": "2"}


scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=5)
keys = st.sampled_from(
    [
        *COLUMNS,
        *ALSO,
        *["role", "content", "from", "value", "response", "annotations", "Rating", "overall_score", "tool_calls"],
    ]
)
values = st.recursive(
    scalars | st.sampled_from(["user", "assistant", "\n\nHuman: a\n\nAssistant: b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, values, max_size=6), st.sampled_from([(), ("preference",), ("demonstration", "prompt")]))
def test_nothing_but_a_data_error_comes_of_any_row(row, kinds):
    try:
        made = convert(row, recognise(row, kinds))
    except DataError:
        pass
    else:
        assert made.prompt
        assert all(reply.strip() for reply in made.replies)


@given(st.text(min_size=1).filter(str.strip), st.text().filter(str.strip), st.text().filter(str.strip))
def test_dialogues_say_what_their_messages_say(question, chosen, rejected):
    if len({chosen.strip(), rejected.strip()}) < 2 or any("\n\n" in t for t in (question, chosen, rejected)):
        return
    start = f"\n\nHuman: {question}\n\nAssistant: "
    row = {"chosen": start + chosen, "rejected": start + rejected}
    listed = {k: [user(question.strip()), said(v.strip())] for k, v in (("chosen", chosen), ("rejected", rejected))}
    assert convert(row, recognise(row)) == convert(listed, recognise(listed))
