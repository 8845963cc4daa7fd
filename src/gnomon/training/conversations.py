"""Messages of a prompt from what data sets hold: text, hh-rlhf dialogues, lists of messages.

It knows no columns (`formats` does) and asks no model whether its chat template can hold them.
Departs: a dialogue's texts lose spaces at their ends; the id that ties a tool's answer to its call is not carried.
Fails: closed; what cannot be carried as text (images, thoughts, a reply that is a tool call) is a DataError.
"""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import cast, get_args

from gnomon.core.errors import DataError
from gnomon.core.types import Json, Message, Role, ToolCall

Prompt = tuple[Message, ...]

OPENING = "\n\nHuman:"
TURN = re.compile(r"\n\n(Human|Assistant):")
SPEAKER: Mapping[str, Role] = {"Human": "user", "Assistant": "assistant", "human": "user", "gpt": "assistant"}
NOT_CARRIED = ("thinking", "reasoning_content", "images", "audio", "function_call")


def messages(value: Json, what: str) -> Prompt:
    """Text as a user's message, a dialogue or a list of messages as they stand."""
    if isinstance(value, str):
        return _dialogue(value, what) if value.startswith(OPENING) else (Message("user", value),)
    return tuple(_message(m, f"message {at} of '{what}'") for at, m in enumerate(value, start=1))


def _dialogue(text: str, what: str) -> Prompt:
    parts = TURN.split(text)
    turns = tuple(Message(SPEAKER[who], said.strip()) for who, said in zip(parts[1::2], parts[2::2], strict=True))
    for at, (one, two) in enumerate(pairwise(turns), start=1):
        if one.role == two.role:
            raise DataError(
                f"turns {at} and {at + 1} of '{what}' are both of the {one.role}: a text may quote a turn, "
                "so where it ends cannot be told; drop the row or write it as messages"
            )
    return turns


def _message(raw: Mapping[str, Json], what: str) -> Message:
    role, content = raw.get("role", raw.get("from")), raw.get("content", raw.get("value"))
    role = SPEAKER.get(str(role), role) if "from" in raw else role
    if not isinstance(role, str) or role not in get_args(Role):
        raise DataError(f"{what} has role {role!r}; write {', '.join(get_args(Role))}")
    if lost := [key for key in NOT_CARRIED if raw.get(key)]:
        raise DataError(f"{what} has '{lost[0]}', which cannot be carried; drop it or write it into content")
    calls = tuple(_call(call, what) for call in raw.get("tool_calls") or ())
    if isinstance(content, list) and all(isinstance(p, Mapping) and p.get("type") == "text" for p in content):
        content = "".join(str(part.get("text", "")) for part in content)
    if content is None and calls:
        content = ""
    if not isinstance(content, str):
        raise DataError(f"{what} has content of type {type(content).__name__}; only text can be learnt")
    return Message(cast(Role, role), content, calls, str(raw.get("name") or "") if role == "tool" else "")


def _call(raw: Json, what: str) -> ToolCall:
    try:
        function = raw.get("function", raw)
        arguments = function["arguments"]
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        # Parquet gives every call the arguments of all, those that it lacks as null.
        given = {key: value for key, value in arguments.items() if value is not None}
        return ToolCall(name=str(function["name"]), arguments=given, id=str(raw.get("id") or ""))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{what} has a tool call without name and arguments; write them as an object") from error


def reply(message: Message, what: str) -> str:
    """The text of a conversation's last message, which must be the assistant's. Raises DataError."""
    if message.role != "assistant":
        raise DataError(f"'{what}' ends with a message of the {message.role}; its last one must be the assistant's")
    if message.tool_calls:
        raise DataError(f"'{what}' ends with a tool call; only replies of text can be learnt")
    return message.content
