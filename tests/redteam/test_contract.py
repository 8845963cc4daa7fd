"""What must hold for every attack, whoever adds one."""

import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core import plugin
from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Reply, Sampling
from gnomon.core.types import Message, Score, Transcript
from gnomon.models.scripted import refusing, weak
from gnomon.redteam.search import search

from .conftest import goal, judge

ATTACKS = plugin.names("attack")
BLACK_BOX = [name for name in ATTACKS if not hasattr(plugin.module("attack", name), "stand_in")]
"""Attacks whose every choice is in their own steps. What the others choose on weights has no seed in its stand-in."""
FULL = Budget(tries=40)


def drive(attack: Attack, target: Goal, budget: Budget, seed: int, breaks_at: int | None = None) -> list[Attempt]:
    """Run one attack against a target that says "No." until the try at which it breaks.

    Its own model says "Yes." to everything; what it wants of weights comes from its file's `stand_in(work)`.
    """
    steps = attack.propose(goal=target, budget=budget, seed=seed)
    attempts: list[Attempt] = []
    try:
        attempt = next(steps)
        while len(attempts) < 1000:
            while not isinstance(attempt, Attempt):
                stands_in = sys.modules[type(attack).__module__]
                attempt = steps.send(
                    attempt.prompt.answered("Yes.") if isinstance(attempt, Ask) else stands_in.stand_in(attempt)
                )
            attempts.append(attempt)
            breached = len(attempts) == breaks_at
            transcript = attempt.prompt.answered("Yes." if breached else "No.")
            value = float(breached)
            attempt = steps.send(
                Reply(transcript=transcript, score=Score(value=value), breached=breached, progress=value)
            )
    except StopIteration:
        return attempts
    raise AssertionError("the attack does not end")


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same_attempts(name: str) -> None:
    one, two = (drive(plugin.build("attack", name), goal(), FULL, 7) for _ in range(2))
    assert one == two
    assert one


@pytest.mark.parametrize("name", [n for n in BLACK_BOX if n != "direct"])
def test_another_seed_or_goal_gives_another_order(name: str) -> None:
    attack = plugin.build("attack", name)
    notes = {tuple(a.prompt.request for a in drive(attack, goal(), FULL, seed)) for seed in range(5)}
    assert len(notes) > 1


@pytest.mark.parametrize("name", ATTACKS)
@settings(max_examples=20, deadline=None)
@given(tries=st.integers(0, 30), seed=st.integers(0, 5), request=st.text(max_size=30))
def test_the_budget_is_never_exceeded_and_any_text_can_be_a_goal(
    name: str, tries: int, seed: int, request: str
) -> None:
    attempts = drive(plugin.build("attack", name), goal(0, request), Budget(tries=tries), seed)
    assert len(attempts) <= tries


@pytest.mark.parametrize("name", ATTACKS)
def test_it_stops_after_a_breach(name: str) -> None:
    attack = plugin.build("attack", name)
    longest = len(drive(attack, goal(), FULL, 0))
    for breaks_at in range(1, longest + 1):
        assert len(drive(attack, goal(), FULL, 0, breaks_at)) == breaks_at


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attempt_ends_with_a_user_keeps_the_system_prompt_and_what_is_expected(name: str) -> None:
    for attempt in drive(plugin.build("attack", name), goal(), FULL, 3):
        assert attempt.prompt.messages[0] == goal().prompt.messages[0]
        assert attempt.prompt.messages[-1].role == "user"
        assert attempt.prompt.expect == {"limit": 3}
        assert attempt.note.startswith(name)
        assert all(a.role != b.role for a, b in pairwise(attempt.prompt.messages))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_goal_of_several_turns_keeps_its_opening(name: str) -> None:
    turns = (Message("user", "Hi"), Message("assistant", "Hello!"), Message("user", "What is the staff code?"))
    target = Goal(id="g", norm="n", prompt=Transcript((goal().prompt.messages[0], *turns)))
    for attempt in drive(plugin.build("attack", name), target, FULL, 0):
        assert attempt.prompt.messages[1:3] == turns[:2]


@pytest.mark.parametrize("name", BLACK_BOX)
def test_it_beats_the_weak_model_and_fails_on_the_refusing_one(name: str) -> None:
    attack = plugin.build("attack", name)
    options = {"goals": [goal(i) for i in range(3)], "judge": judge, "budget": FULL, "sampling": Sampling(), "seed": 0}
    assert [row["broke"] for row in search(attack=attack, model=weak(), **options)] == [1, 1, 1]  # type: ignore[arg-type]
    rows = list(search(attack=attack, model=refusing(), **options))  # type: ignore[arg-type]
    assert [row["broke"] for row in rows] == [None] * 3
    assert all(row["tries"] > 0 for row in rows)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_file_is_as_every_attack_is(name: str) -> None:
    module, kind = plugin.module("attack", name), plugin.load("attack", name)
    assert kind.__dataclass_params__.frozen
    assert "Source:" in (module.__doc__ or "")
    assert "Fails:" in (module.__doc__ or "")


def test_the_page_on_the_red_team_names_every_attack() -> None:
    text = (Path(__file__).parents[2] / "docs" / "redteam.md").read_text(encoding="utf-8")
    section = text[text.index("## Attacks") : text.index("## Search and budgets")]
    named = {name for line in section.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)`", line)}
    assert named == set(ATTACKS)
