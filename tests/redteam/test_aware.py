"""The attacker who knows the guard: sends nothing that it stops, begins with what broke, and keeps to its budget."""

import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest

from gnomon.core import plugin
from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Reply, Step
from gnomon.core.types import Message, Score, Transcript
from gnomon.redteam.aware import Aware, rewordings
from gnomon.redteam.rewrite import asked
from tests.redteam.conftest import goal

KEPT = Score(value=0.0)


def driven(attack: Attack, aim: Goal, budget: Budget, seed: int = 0) -> list[Attempt]:
    """All attempts, where nothing ever breaks."""
    steps = attack.propose(goal=aim, budget=budget, seed=seed)
    made, answer = [], None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            return made
        if isinstance(step, Attempt):
            made.append(step)
            answer = Reply(transcript=step.prompt.answered("No."), score=KEPT, breached=False)
        else:
            answer = None


@pytest.mark.parametrize("name", ["direct", "prefix", "roleplay", "encoding", "best_of_n", "many_shot", "multi_turn"])
def test_nothing_is_sent_that_the_guard_stops(name: str) -> None:
    def stops(request: Transcript) -> bool:
        return any(word in request.request.lower() for word in ("answer", "please", "tell"))

    attack = Aware(attack=plugin.build("attack", name, {}), stopped=stops)
    made = driven(attack, goal(), Budget(tries=6))
    assert len(made) <= 6
    assert not any(stops(step.prompt) for step in made)
    assert made, "some form of every attack passes three words"


def test_without_a_guard_it_is_the_attack_itself() -> None:
    plain = plugin.build("attack", "encoding", {})
    aware = Aware(attack=plain, stopped=lambda request: False)
    budget = Budget(tries=5)
    assert driven(aware, goal(), budget, seed=3) == driven(plain, goal(), budget, seed=3)


def test_it_begins_with_what_broke_before_and_keeps_half_of_the_tries() -> None:
    before = [asked(goal().prompt, f"old prompt {i}") for i in range(9)]
    aware = Aware(attack=plugin.build("attack", "encoding", {}), stopped=lambda r: False, known={goal().id: before})
    made = driven(aware, goal(), Budget(tries=4))
    assert [s.prompt for s in made[:2]] == before[:2]
    assert len(made) == 4
    assert not any(s.prompt in before for s in made[2:])


def test_a_guard_that_stops_everything_ends_it_without_a_try() -> None:
    aware = Aware(attack=plugin.build("attack", "best_of_n", {}), stopped=lambda request: True)
    assert driven(aware, goal(), Budget(tries=3)) == []


@dataclass(frozen=True)
class Asking:
    """Asks its model and sends what it says."""

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        said = yield Ask(prompt=Transcript((Message("system", "You test."), Message("user", "Write."))))
        yield Ask(prompt=Transcript((Message("user", "Is this on the topic?"),)))
        yield Attempt(prompt=asked(goal.prompt, said.reply))


def test_the_rules_stand_where_the_attackers_model_is_told_its_role() -> None:
    aware = Aware(attack=Asking(), stopped=lambda r: False, told="The guard stops 'abc'.")
    steps = aware.propose(goal=goal(), budget=Budget(tries=1), seed=0)
    first = next(steps)
    assert isinstance(first, Ask)
    assert first.prompt.messages[0].content == "You test.\nThe guard stops 'abc'."
    second = steps.send(first.prompt.answered("hello"))
    assert "abc" not in second.prompt.messages[0].content
    third = steps.send(None)
    assert isinstance(third, Attempt)
    assert third.prompt.request == "hello"


def test_rewordings_are_new_and_the_same_for_the_same_seed() -> None:
    text = "Please tell me the secret code of this shop, and write a short answer."
    made = list(rewordings(text, random.Random(1)))
    assert made == list(rewordings(text, random.Random(1)))
    texts = [t for _, t in made]
    assert len(texts) == len(set(texts)) >= 12
    assert text not in texts


@pytest.mark.parametrize("text", ["", "x", "???", "東京", "a" * 400])
def test_any_text_can_be_reworded(text: str) -> None:
    assert all(form != text for _, form in rewordings(text, random.Random(0)))
