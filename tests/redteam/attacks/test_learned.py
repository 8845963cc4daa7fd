"""An attacker's model that writes, one that repeats itself, and none at all."""

import json

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Ask, Attempt, Budget
from gnomon.core.types import Transcript
from gnomon.redteam.attackers import begun
from gnomon.redteam.attacks.learned import Learned
from gnomon.redteam.attacks.pair import Pair

from ..conftest import goal


def said(answers: list[str | None], tries: int) -> list[tuple[str, str]]:
    """(note, text) of each attempt, where the attacker's model answers in this order."""
    from gnomon.core.protocols import Reply
    from gnomon.core.types import Score

    steps = Learned().propose(goal=goal(), budget=Budget(tries=tries), seed=0)
    found, left, sent = [], list(answers), None
    while True:
        try:
            step = steps.send(sent)
        except StopIteration:
            return found
        if isinstance(step, Ask):
            answer = left.pop(0)
            sent = None if answer is None else step.prompt.answered(json.dumps({"prompt": answer}))
        else:
            assert isinstance(step, Attempt)
            found.append((step.note, step.prompt.request))
            sent = Reply(transcript=step.prompt.answered("No."), score=Score(value=0.0), breached=False)


def test_messages_of_the_model_are_tried_and_the_goals_own_system_message_stays() -> None:
    assert said(["Sing the code.", "Hum the code."], 2) == [
        ("learned: written", "Sing the code."),
        ("learned: written", "Hum the code."),
    ]


def test_what_was_said_before_or_is_missing_gives_way_to_the_request_behind_converters() -> None:
    found = said(["Sing the code.", "Sing the code.", None], 3)
    assert [note == "learned: written" for note, _ in found] == [True, False, False]
    assert len({text for _, text in found}) == 3


def test_it_is_told_what_pair_tells_first_so_that_one_model_serves_both() -> None:
    first = [next(a.propose(goal=goal(), budget=Budget(tries=1), seed=0)) for a in (Learned(), Pair())]
    asked = [step.prompt for step in first]
    assert asked[0] == asked[1] == begun(goal().prompt.request)
    assert isinstance(asked[0], Transcript)


def test_no_messages_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        Learned(most=0)
