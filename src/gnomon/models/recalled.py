"""Messages of role `memory` as models can read them: in front of the user's next words, under a line that says so.

Chat templates and endpoints know no such role. Guards and records keep it: only what is sent to a model changes.
It decides nothing about what an agent may remember.
Fails: open; a memory after the last user message becomes a user's message of its own.
"""

from collections.abc import Iterable
from dataclasses import replace

from gnomon.core.types import Message

LINE = "From memory:"


def recalled(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The same conversation without the role `memory`.

    >>> [m.content for m in recalled([Message("memory", "Tea at 4."), Message("user", "When?")])]
    ['From memory:\\nTea at 4.\\n\\nWhen?']
    """
    found: list[Message] = []
    kept: list[str] = []
    for message in messages:
        if message.role == "memory":
            kept.append(f"{LINE}\n{message.content}")
        elif kept and message.role == "user":
            found.append(replace(message, content="\n\n".join([*kept, message.content])))
            kept = []
        else:
            found.append(message)
    return tuple(found) if not kept else (*found, Message("user", "\n\n".join(kept)))
