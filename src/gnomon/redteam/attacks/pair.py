"""Attack: PAIR. The attacker's model writes a message, sees the reply and its score, and writes a better one.

Several streams go on by turns, each with its own conversation with the attacker's model, cut to the last exchanges.
Where that model is missing or writes nothing usable, the request is put behind converters that are drawn.
Source: Chao et al., "Jailbreaking Black Box Large Language Models in Twenty Queries" (arXiv 2310.08419), algorithm 1.
Departs: streams take turns, so that a small budget sees several beginnings; the score is progress to the line.
Fails: open; after `depth` messages in each stream, or with the budget, it ends.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Ask, Attempt, Budget, Goal, Step
from gnomon.core.seeds import generator
from gnomon.core.types import Message, Transcript
from gnomon.redteam.attackers import feedback, first, prompt_in, reworded, role
from gnomon.redteam.feedback import said
from gnomon.redteam.rewrite import asked


@dataclass
class _Stream:
    """One conversation with the attacker's model."""

    talk: list[Message] = field(default_factory=list)
    """What was said after its role; ends with a request to it."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Streams of messages that the attacker's model improves by reply and score."""

    streams: int = 3
    """Conversations with the attacker's model."""
    depth: int = 20
    """The most messages of one stream."""
    memory: int = 2
    """Exchanges that the attacker's model still sees of its own stream."""

    def __post_init__(self) -> None:
        if min(self.streams, self.depth, self.memory) < 1:
            raise SettingsError("streams, depth and memory must be at least 1")

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        request = goal.prompt.request
        draw = generator(seed, "pair", goal.id)
        streams = [_Stream([first(request)]) for _ in range(min(self.streams, budget.tries))]
        for number in range(min(budget.tries, len(streams) * self.depth)):
            at = number % len(streams)
            stream = streams[at]
            recent = stream.talk[-2 * self.memory + 1 :]
            answer = yield Ask(
                prompt=Transcript((role(request), *recent)), note=f"pair {at + 1}: message", needed=False
            )
            text, how = prompt_in(answer, request), "written"
            if not text:
                text, how = reworded(request, draw)
            reply = yield Attempt(prompt=asked(goal.prompt, text), note=f"pair {at + 1}: {how}")
            if reply.breached:
                return
            written = answer.reply if answer is not None else text
            stream.talk += [Message("assistant", written), feedback(text, reply.transcript.reply, said(reply), request)]
