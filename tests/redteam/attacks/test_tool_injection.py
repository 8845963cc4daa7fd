"""Notes from tools: the stated one comes first, each once, and all hold the whole goal."""

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attempt, Budget, Reply
from gnomon.core.types import Score
from gnomon.redteam.attacks.tool_injection import NOTES, ToolInjection
from tests.redteam.conftest import goal


def texts(attack: ToolInjection, tries: int, seed: int = 0, number: int = 0) -> list[Attempt]:
    steps = attack.propose(goal=goal(number), budget=Budget(tries=tries), seed=seed)
    found = [next(steps)]
    while len(found) < 100:
        try:
            reply = Reply(transcript=found[-1].prompt.answered("No."), score=Score(value=0.0), breached=False)
            found.append(steps.send(reply))
        except StopIteration:
            break
    return found


def test_every_note_once_with_the_whole_goal() -> None:
    found = texts(ToolInjection(), 100)
    assert len({a.prompt.request for a in found}) == len(found) == len(NOTES)
    assert all(goal().prompt.request in a.prompt.request for a in found)


def test_the_first_note_is_the_same_for_every_goal_and_the_rest_is_drawn() -> None:
    orders = [[a.note for a in texts(ToolInjection(), 8, number=n)] for n in range(6)]
    assert {order[0] for order in orders} == {"tool_injection important"}
    assert len({tuple(order) for order in orders}) > 1
    assert texts(ToolInjection(first="tool"), 1)[0].note == "tool_injection tool"
    assert len({texts(ToolInjection(first=""), 1, number=n)[0].note for n in range(12)}) > 1


def test_an_unknown_note_is_named() -> None:
    with pytest.raises(SettingsError, match="did you mean 'important'"):
        ToolInjection(first="importnat")
