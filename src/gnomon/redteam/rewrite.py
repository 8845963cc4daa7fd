"""How attacks build a conversation from a goal's: the same turns, with other words in the last request.

It knows no attack and no model.
Fails: open; a goal without a user message gets one appended.
"""

from collections.abc import Sequence
from dataclasses import replace

from gnomon.core.types import Message, Transcript


def asked(prompt: Transcript, text: str) -> Transcript:
    """The conversation with the last user message's words exchanged."""
    turns = [m.role for m in prompt.messages]
    if "user" not in turns:
        return Transcript((*prompt.messages, Message("user", text)), prompt.expect)
    last = len(turns) - 1 - turns[::-1].index("user")
    messages = [replace(m, content=text) if i == last else m for i, m in enumerate(prompt.messages)]
    return Transcript(tuple(messages), prompt.expect)


def opening(prompt: Transcript) -> tuple[Message, ...]:
    """What stands before the last user message."""
    turns = [m.role for m in prompt.messages]
    last = len(turns) - 1 - turns[::-1].index("user") if "user" in turns else len(turns)
    return prompt.messages[:last]


def followed(prompt: Transcript, before: Sequence[Message], text: str) -> Transcript:
    """The conversation `before`, then a user message with this text; what is expected stays."""
    return Transcript((*before, Message("user", text)), prompt.expect)
