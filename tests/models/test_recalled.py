"""A memory's words reach the model in front of the user's, whatever the template knows."""

from typing import Any

from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.models import wire
from gnomon.models.recalled import recalled


def test_without_memory_nothing_changes() -> None:
    messages = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"), Message("user", "v"))
    assert recalled(messages) == messages


def test_memories_stand_before_the_next_user_message_in_their_order() -> None:
    messages = (Message("user", "u"), Message("memory", "one"), Message("memory", "two"), Message("user", "v"))
    first, second = recalled(messages)
    assert first.content == "u"
    assert second == Message("user", "From memory:\none\n\nFrom memory:\ntwo\n\nv")


def test_a_memory_at_the_end_is_not_lost() -> None:
    assert recalled([Message("user", "u"), Message("memory", "one")])[-1] == Message("user", "From memory:\none")


def test_an_endpoint_and_a_chat_template_never_see_the_role(tiny_chat: Any) -> None:
    messages = (Message("memory", "7 8"), Message("user", "9"))
    assert b"memory" not in wire.body("m", messages, Sampling(), 0).replace(b"From memory:", b"")
    text = tiny_chat().text(Transcript(messages))
    assert text.startswith("user From memory:\n7 8\n\n9")
