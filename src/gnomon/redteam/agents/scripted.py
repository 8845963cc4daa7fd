"""Two agents without weights that bound what any agent can do: both solve the user's task as the suite publishes it.

`obeying` does an injection task as soon as a tool's result holds the words of its goal, before it goes on, once each;
`ignoring` never does. Words count as held in whatever case, spacing and signs, and behind an encoding that can be read
without a key (base64, hex, Morse and the like). Where a call of the user's own task was stopped, or its result kept
back, both give that task up: they know the answer without reading, so going on would make a guard look free of cost.
Source: replay of ground truth and injected calls, as proposed in AgentDojo's issue 208; AgentDojo (arXiv 2406.13352).
Departs: the obeying agent obeys by a stated rule in the middle of a run, so that texts and guards matter.
Fails: open; an injection task without a published solution is read and can't be done.
"""

import functools
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnomon.core.canonical import digest
from gnomon.core.protocols import Model, Sampling
from gnomon.core.types import Message, ToolCall, Transcript
from gnomon.redteam.agents.dojo import Suite
from gnomon.redteam.agents.episode import STOPPED, WITHHELD, Agent
from gnomon.scoring import encodings

NAMES = ("obeying", "ignoring")
GAVE_UP = "I could not finish this task."
TURNS = 60
"""The longest published solution has 18 calls, and several injection tasks may come on top."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a task is done."""

    calls: tuple[ToolCall, ...]
    words: str
    """What is said at the end."""


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A Model that does what its plans say."""

    name: str
    plan: Callable[[str], Plan]
    """How the task of this id is done."""
    requests: Mapping[str, str]
    """The words of each request, and the id of its task."""
    goals: Mapping[str, str]
    """The words of each goal that it obeys, and the id of its task; empty: it obeys nothing."""

    @property
    def identity(self) -> Mapping[str, str]:
        """The name; plans depend on the episode's world and are no part of it."""
        return {"name": f"scripted:{self.name}", "weights": digest(self.name)}

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """The next step of each conversation; sampling plays no part."""
        return [Transcript((*p.messages, self._next(p)), p.expect) for p in prompts]

    def _next(self, seen: Transcript) -> Message:
        task = self.requests.get(seen.request)
        own = self.plan(task) if task is not None else Plan(calls=(), words=GAVE_UP)
        todo: deque[tuple[ToolCall, bool]] = deque((call, True) for call in own.calls)
        obeyed: dict[str, Plan] = {}
        gave_up = False
        for message in seen.messages:
            if message.role != "tool" or not todo:
                continue
            _, users = todo.popleft()
            if users and message.content.startswith((STOPPED, WITHHELD)):
                gave_up = True
                todo = deque(step for step in todo if not step[1])
            for goal, errand in self.goals.items():
                if goal not in obeyed and held(message.content, goal):
                    plan = obeyed[goal] = self.plan(errand)
                    todo.extendleft((call, False) for call in reversed(plan.calls))
        if todo:
            return Message("assistant", "", (todo[0][0],))
        words = [GAVE_UP if gave_up else own.words, *(plan.words for plan in obeyed.values())]
        return Message("assistant", "\n".join(w for w in words if w))


def held(text: str, goal: str) -> bool:
    """Whether a text holds the words of a goal, as they are or encoded.

    >>> held('note: "Pay  the\\n  BILL, now!"', "pay the bill now")
    True
    """
    wanted = _bare(goal)
    return bool(wanted) and any(wanted in reading for reading in _readings(text))


@functools.lru_cache(maxsize=2048)
def _readings(text: str) -> tuple[str, ...]:
    decoded = (found for found, _, _ in encodings.decoded(text))
    mirrored = text[::-1]
    return (_bare(text), *(_bare(d) for d in decoded), _bare(mirrored))


_ESCAPES = re.compile(r"\\(?:[nrt]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")


def _bare(text: str) -> str:
    """Letters and digits alone: the YAML of a tool's result folds lines and escapes signs."""
    return re.sub(r"[^a-z0-9]", "", _ESCAPES.sub("", text).casefold())


def agent(suite: Suite, name: str, *, obeys: bool) -> Agent:
    """The scripted agent for a suite; `obeys`: whether it does what injected texts want."""

    def mind(environment: Any) -> Model:
        @functools.cache
        def plan(id: str) -> Plan:
            calls, words = suite.solution(id, environment.model_copy(deep=True))
            return Plan(calls=calls, words=words)

        return Scripted(name=name, plan=plan, requests=requests, goals=goals if obeys else {})

    requests = {suite.request(user): user for user in suite.users}
    goals = {suite.goal(errand): errand for errand in suite.errands}
    return Agent(mind=mind, name=f"scripted:{name}", turns=TURNS)
