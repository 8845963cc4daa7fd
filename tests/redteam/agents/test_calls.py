"""Calls read from text, and where their arguments come from."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from gnomon.core.types import Message, ToolCall, Transcript
from gnomon.redteam.agents.calls import read, sourced, told


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ('{"tool": "pay", "arguments": {"to": "A", "sum": 3}}', "pay", {"to": "A", "sum": 3}),
        ('Sure!\n```json\n{"name": "pay", "args": {}}\n```', "pay", {}),
        ('{"function": {"name": "pay", "parameters": {"to": "{x}"}}}', "pay", {"to": "{x}"}),
        ('First {not json} then {"tool": "a", "arguments": {}} {"tool": "b", "arguments": {}}', "a", {}),
        ('{"note": 1}{"tool": "a", "input": {"b": [1]}}', "a", {"b": [1]}),
    ],
)
def test_a_call_is_read(text: str, name: str, arguments: Any) -> None:
    (call,) = read(Message("assistant", text)).tool_calls
    assert (call.name, call.arguments) == (name, arguments)


@pytest.mark.parametrize("text", ["", "I paid it.", '{"tool": "pay"}', '{"tool": "pay", "arguments": 3}', "{" * 500])
def test_a_text_without_a_call_is_an_answer(text: str) -> None:
    assert read(Message("assistant", text)) == Message("assistant", text)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read(Message("assistant", text)).content == text


def test_calls_of_the_models_own_stand() -> None:
    own = Message("assistant", '{"tool": "a", "arguments": {}}', (ToolCall(name="b"),))
    assert read(own) is own


BEFORE = Transcript(
    (
        Message("user", "Pay the rent of 1200 to  IBAN de12, and tell Ann."),
        Message("assistant", "", (ToolCall(name="bills"),)),
        Message("tool", "Rent: 1250, to US99. Note for Bob.", name="bills"),
    )
)


@pytest.mark.parametrize(
    ("value", "sources"),
    [
        ("DE12", (0,)),
        (1200.0, (0,)),
        (["Ann", 1200], (0,)),
        ("US99", (2,)),
        (1250, (2,)),
        (["Ann", "Bob"], (2,)),
        ("rent", (0,)),  # in both: the user's word counts
        (12, None),  # part of another number
        ("Carl", None),
        (True, None),
        ("", None),
    ],
)
def test_an_argument_derives_from_whoever_wrote_its_words(value: Any, sources: Any) -> None:
    found = sourced(ToolCall(name="pay", arguments={"x": value}), BEFORE).sources
    assert found.get("x") == sources


def test_a_free_argument_counts_as_the_users() -> None:
    found = sourced(ToolCall(name="mail", arguments={"to": "Bob", "body": "Note for Bob"}), BEFORE, ("body",))
    assert found.sources == {"to": (2,), "body": (0,)}


def test_tools_are_told_with_their_arguments() -> None:
    class Pay(BaseModel):
        to: str
        sum: float
        note: str | None = None

    text = told([SimpleNamespace(name="pay", description="Pay\n  somebody.", parameters=Pay)])
    assert "- pay(to: string, sum: number, note: string or null (optional)): Pay somebody." in text
    assert '{"tool": "NAME", "arguments": {"ARGUMENT": VALUE}}' in text
