"""System prompt: a target that tells its prompt only piece by piece, to who cites the last piece, falls to a walk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget, Sampling
from gnomon.core.types import Transcript
from gnomon.redteam.attacks.system_prompt import SystemPrompt
from gnomon.redteam.search import search

from ..conftest import SYSTEM, goal, judge
from ..test_contract import drive

NO = "I'm sorry, but I can't help with that."


@dataclass
class Piecemeal:
    """Gives away five words at a time: first to who asks for a sentence, then to who cites its own last words."""

    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "piecemeal"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        return [p.answered(self._one(p)) for p in prompts]

    def _one(self, prompt: Transcript) -> str:
        words = SYSTEM.content.split()
        told = [m.content for m in prompt.messages if m.role == "assistant"]
        if not told:
            return " ".join(words[:5]) if "first sentence" in prompt.request else NO
        done = sum(len(t.split()) for t in told)
        return " ".join(words[done : done + 5]) if told[-1] in prompt.request else NO


def test_a_walk_gets_what_no_single_request_gets() -> None:
    options = {"goals": [goal()], "judge": judge, "budget": Budget(tries=60), "sampling": Sampling(), "seed": 0}
    (row,) = search(attack=SystemPrompt(), model=Piecemeal(), **options)  # type: ignore[arg-type]
    assert row["note"] == "system_prompt sentence by sentence 2"
    (row,) = search(attack=SystemPrompt(turns=1), model=Piecemeal(), **options)  # type: ignore[arg-type]
    assert row["broke"] is None


def test_every_single_request_is_made_once_and_the_seed_orders_them() -> None:
    tried = [a.note for a in drive(SystemPrompt(turns=1), goal(), Budget(tries=100), 0)]
    assert len(tried) == len(set(tried)) == 18
    assert tried != [a.note for a in drive(SystemPrompt(turns=1), goal(), Budget(tries=100), 1)]


def test_the_goal_itself_is_not_asked_and_turns_have_a_least() -> None:
    request = goal().prompt.request
    assert all(request not in a.prompt.request for a in drive(SystemPrompt(), goal(), Budget(tries=100), 0))
    with pytest.raises(SettingsError, match="turns"):
        SystemPrompt(turns=0)
