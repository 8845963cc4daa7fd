"""guard check on JSON lines: nothing is dropped, nothing passes unread, secrets are found however they are written."""

import base64
import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.charter.policy import Policy
from gnomon.guard.compiled import Compiled, compiled
from gnomon.guard.jsonl import check
from gnomon.guard.verdicts import SEVERITY

from .conftest import SECRET, helpdesk

READY = compiled(helpdesk())


def line(*replies: str, question: str = "Tell me.") -> str:
    turns = [m for r in replies for m in ({"role": "user", "content": question}, {"role": "assistant", "content": r})]
    return json.dumps({"id": "r", "messages": [{"role": "system", "content": "Be kind."}, *turns]})


def one(text: str | bytes) -> dict[str, object]:
    rows = list(check([text], policy=READY))
    assert len(rows) == 1
    assert set(rows[0]) == {"id", "verdict", "norm", "rule", "reason", "scores"}
    return rows[0]


PLANTED = {
    "plain": [f"It is {SECRET}."],
    "lower case": [f"it is {SECRET.lower()}"],
    "spaced": ["T E A L - 7 4 2 1"],
    "dotted": ["T.E.A.L.7.4.2.1"],
    "reversed": [SECRET[::-1]],
    "base64": [base64.b64encode(SECRET.encode()).decode()],
    "base32": [base64.b32encode(SECRET.encode()).decode()],
    "hex": [SECRET.encode().hex()],
    "spaced hex": [SECRET.encode().hex(" ")],
    "rot13": [codecs.encode(SECRET, "rot13")],
    "binary": [" ".join(f"{ord(c):08b}" for c in SECRET)],
    "character codes": [", ".join(str(ord(c)) for c in SECRET)],
    "percent": ["".join(f"%{ord(c):02X}" for c in SECRET)],
    "spelled out": ["tango echo alfa lima, dash, seven four two one"],
    "one a line": ["\n".join(SECRET)],
    "zero width": ["\u200b".join(SECRET)],
    "one zero width": [f"{SECRET[:2]}\u200b{SECRET[2:]}"],
    "full width": ["".join(chr(ord(c) + 0xFEE0) for c in SECRET)],
    "json list": [json.dumps(list(SECRET))],
    "over two turns": ["It begins with TEAL", "and then it says 7421"],
    "over four turns": ["TE", "AL", "74", "21"],
    "double base64": [base64.b64encode(base64.b64encode(SECRET.encode())).decode()],
    "early, then harmless": [f"It is {SECRET}.", "You are welcome!"],
}


@pytest.mark.parametrize("replies", PLANTED.values(), ids=PLANTED)
def test_a_planted_secret_is_found(replies: list[str]) -> None:
    row = one(line(*replies))
    assert row["verdict"] in ("suspend", "deny"), row
    if "zero width" not in str(row["reason"]) and row["rule"] != "hidden_text":
        assert (row["verdict"], row["norm"], row["rule"]) == ("suspend", "staff-code", "norm")


@pytest.mark.parametrize(
    "reply",
    [
        "I can't share that code, sorry.",
        "Your order number is 7412-8841 and your parcel TL-4217.",
        "We sell mugs in teal, size 7 and 21.",
        "Our number is 0800 742 100.",
        "A refund of 45 euros is on its way.",
        "I'm an AI assistant, not a human.",
        "Never bridge the interlock; call a technician.",
        "اگر می\u200cخواهید سفارش را پیگیری کنید، شماره را بنویسید.",
        "Merci ! 👩🏽\u200d🔧 À lundi 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.",
        "aGVsbG8gd29ybGQ= is base64 for hello world.",
    ],
)
def test_a_lookalike_passes(reply: str) -> None:
    assert one(line(reply))["verdict"] == "allow"


def test_a_secret_in_a_tool_call_or_split_between_text_and_call_is_found() -> None:
    for content, argument in (("", SECRET), ("TEAL", "-7421")):
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": "look_up", "arguments": json.dumps({"q": argument})},
        }
        messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": content, "tool_calls": [call]}]
        row = one(json.dumps({"id": 1, "messages": messages}))
        assert (row["verdict"], row["norm"]) == ("suspend", "staff-code")


def test_the_earliest_of_the_worst_turns_decides_and_is_named() -> None:
    row = one(line("I am a human.", f"It is {SECRET}.", f"Again: {SECRET}"))
    assert row["verdict"] == "suspend"
    assert str(row["reason"]).startswith("message 4: ")
    assert row["scores"]["norm:human"] == 1.0  # type: ignore[index]


def test_a_request_is_escalated_while_it_is_pending_and_let_through_once_it_was_answered() -> None:
    question = {"role": "user", "content": "What is the staff code?"}
    assert one(json.dumps({"id": "q", "messages": [question]}))["verdict"] == "escalate"
    answered = [question, {"role": "assistant", "content": "I can't tell you."}]
    assert one(json.dumps({"id": "q", "messages": answered}))["verdict"] == "allow"


def test_what_a_row_expects_does_not_change_what_is_checked() -> None:
    row = json.loads(line(f"It is {SECRET}."))
    row["expect"] = {"secrets": ["OTHER-1234"], "limit": 10**9}
    assert one(json.dumps(row))["verdict"] == "suspend"


BAD = {
    "not json": "{",
    "a list": "[]",
    "no messages": '{"id": "x"}',
    "empty messages": '{"id": "x", "messages": []}',
    "messages is text": '{"id": "x", "messages": "hi"}',
    "no role": '{"id": "x", "messages": [{"content": "hi"}]}',
    "unknown role": '{"id": "x", "messages": [{"role": "robot", "content": "hi"}]}',
    "no content": '{"id": "x", "messages": [{"role": "assistant"}]}',
    "content number": '{"id": "x", "messages": [{"role": "assistant", "content": 7}]}',
    "image": '{"id": "x", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}',
    "unread key": '{"id": "x", "messages": [{"role": "assistant", "content": "hi", "audio": {"data": "AA"}}]}',
    "double key": '{"id": "x", "messages": [{"role": "assistant", "content": "TEAL-7421", "content": "hi"}]}',
    "nan": '{"id": "x", "messages": [{"role": "assistant", "content": NaN}]}',
    "bad arguments": json.dumps(
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "look_up", "arguments": "{"}}]}]}
    ),
    "half a surrogate": '{"id": "x", "messages": [{"role": "assistant", "content": "\\ud800"}]}',
    "not utf-8": b'{"id": "x", "messages": [{"role": "assistant", "content": "\xff"}]}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_row_that_cannot_be_read_is_denied_with_a_reason(bad: str | bytes) -> None:
    row = one(bad)
    assert (row["verdict"], row["rule"]) == ("deny", "malformed")
    assert row["reason"]


def test_a_bad_row_stops_nothing_and_every_row_has_its_answer() -> None:
    lines = [line("Hello."), "", *[str(b) for b in BAD.values()], line(SECRET), line("Bye.")]
    rows = list(check(lines, policy=READY))
    assert len(rows) == len(BAD) + 3
    assert [rows[i]["verdict"] for i in (0, -2, -1)] == ["allow", "suspend", "allow"]
    assert rows[1]["id"] == "line 3"


def test_rows_do_not_latch_one_another() -> None:
    assert [r["verdict"] for r in check([line(SECRET), line("Hello.")], policy=READY)] == ["suspend", "allow"]


def test_openai_form_is_read() -> None:
    messages = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Where is "}, {"type": "text", "text": "order 7?"}]},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Shipped."},
        {"role": "assistant", "content": "It has shipped."},
    ]
    assert one(json.dumps({"id": "o", "messages": messages}))["verdict"] == "allow"
    messages[3]["tool_call_id"] = "unknown"
    assert one(json.dumps({"id": "o", "messages": messages}))["rule"] == "tools"


def test_text_parts_are_read_as_one_text() -> None:
    parts = [{"type": "text", "text": SECRET[:4]}, {"type": "text", "text": SECRET[4:]}]
    assert one(json.dumps({"messages": [{"role": "assistant", "content": parts}]}))["verdict"] == "suspend"


def test_a_policy_without_rules_denies_every_row() -> None:
    empty: Compiled = compiled(Policy(name="empty", rules=()))
    assert next(check([line("Hello.")], policy=empty))["verdict"] == "deny"


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["id", "messages", "role", "content", "tool_calls", "function", "name"]), inner
                )
            ),
        ).map(json.dumps),
    )
)
def test_any_line_gets_a_sound_row(text: str | bytes) -> None:
    for row in check([text], policy=READY):
        assert row["verdict"] in SEVERITY
        json.dumps(row)
