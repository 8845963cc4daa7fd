"""Several turns: what was answered stays, a plan may end in the middle, every plan asks for the goal."""

from itertools import pairwise

from gnomon.core.protocols import Budget
from gnomon.redteam.attacks.multi_turn import MultiTurn

from ..conftest import goal
from ..test_contract import drive


def test_with_one_try_the_goal_itself_is_asked() -> None:
    (attempt,) = drive(MultiTurn(), goal(), Budget(tries=1), 0)
    assert attempt.prompt.request == goal().prompt.request
    assert [m.role for m in attempt.prompt.messages] == ["system", "user", "assistant", "user"]


def test_plans_have_two_or_three_turns_and_begin_afresh() -> None:
    attempts = drive(MultiTurn(), goal(), Budget(tries=100), 0)
    turns = [sum(m.role == "user" for m in a.prompt.messages) for a in attempts]
    assert turns[0] == 2
    assert sorted(turns[1:]) == [1] * 5 + [2] * 5 + [3] * 2
    for earlier, later in pairwise(attempts[1:]):
        if len(later.prompt.messages) > 2:
            assert later.prompt.messages[:-1] == earlier.prompt.answered("No.").messages


def test_the_pieces_hold_the_whole_request() -> None:
    attempts = drive(MultiTurn(), goal(0, "one two three four five"), Budget(tries=100), 0)
    pieces = next(a for a in attempts if a.note.endswith("pieces 3"))
    said = [m.content for m in pieces.prompt.messages if m.role == "user"]
    assert ["one two three" in said[0], "four five" in said[1]] == [True, True]
