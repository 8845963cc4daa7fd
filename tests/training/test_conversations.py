import pytest

from gnomon.core.errors import DataError
from gnomon.core.types import Message, ToolCall
from gnomon.training.conversations import messages, reply


def test_text_is_a_user_message_and_a_dialogue_is_its_turns():
    assert messages("hello\n\nHuman: x", "prompt") == (Message("user", "hello\n\nHuman: x"),)
    assert messages("\n\nHuman: hello \n\nAssistant: yes?\n\nHuman: bye", "chosen") == (
        Message("user", "hello"),
        Message("assistant", "yes?"),
        Message("user", "bye"),
    )


def test_two_turns_of_one_speaker_may_be_a_quotation():
    with pytest.raises(DataError, match="turns 2 and 3 of 'chosen' are both of the assistant"):
        messages("\n\nHuman: a\n\nAssistant: b\n\nAssistant: c", "chosen")


def test_both_ways_of_naming_speaker_and_text():
    raw = [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    assert [m.role for m in messages(raw, "conversations")] == ["system", "user", "assistant"]
    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert messages(parts, "prompt") == (Message("user", "ab"),)


def test_tool_calls_and_answers_are_carried():
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    same = {"id": "1", "function": {"name": "add", "arguments": {"a": 1, "of_another_call": None}}}
    for written in (call, same):
        raw = [
            {"role": "assistant", "content": None, "tool_calls": [written]},
            {"role": "tool", "name": "add", "content": "1"},
        ]
        assert messages(raw, "prompt") == (
            Message("assistant", "", (ToolCall(name="add", arguments={"a": 1}, id="1"),)),
            Message("tool", "1", (), "add"),
        )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"role": "developer", "content": "x"}, "message 1 of 'm' has role 'developer'; write system, user"),
        ({"role": ["user"], "content": "x"}, "has role"),
        ({"role": "user", "content": None}, "content of type NoneType"),
        ({"role": "user", "content": [{"type": "image", "url": "u"}]}, "only text"),
        ({"role": "assistant", "content": "x", "reasoning_content": "hm"}, "'reasoning_content', which cannot"),
        ({"role": "assistant", "content": "x", "tool_calls": [{"name": "f", "arguments": "{"}]}, "tool call without"),
        ({"role": "assistant", "content": "x", "tool_calls": ["f"]}, "tool call without"),
    ],
)
def test_what_cannot_be_carried_is_named(raw, said):
    with pytest.raises(DataError, match=said):
        messages([raw], "m")


def test_a_reply_is_text_of_the_assistant():
    assert reply(Message("assistant", "a"), "chosen") == "a"
    with pytest.raises(DataError, match="'chosen' ends with a message of the user"):
        reply(Message("user", "a"), "chosen")
    with pytest.raises(DataError, match="'chosen' ends with a tool call"):
        reply(Message("assistant", "", (ToolCall(name="f"),)), "chosen")
