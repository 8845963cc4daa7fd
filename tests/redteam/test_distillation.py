"""Questions chosen, answers kept, budgets held, and how far two answers agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gnomon.core.errors import BudgetSpent, DataError, EndpointError, SettingsError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.executor.local import Local
from gnomon.redteam.distillation import (
    ABOUT,
    AT_ONCE,
    Trace,
    about,
    agreement,
    collected,
    demonstrations,
    ordered,
    unique,
)

from .conftest import Faulty


def asked(*texts: str) -> list[Transcript]:
    return [Transcript((Message("user", text),)) for text in texts]


QUESTIONS = asked(*(f"question number {i} about {'cats' if i % 2 else 'the weather at sea'}" for i in range(40)))


@dataclass
class Echo:
    """Says the question again, and counts what it was asked; stops when its budget is spent."""

    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "echo"})
    seen: list[str] = field(default_factory=list)
    most: int = 10_000

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        if len(self.seen) + len(prompts) > self.most:
            raise BudgetSpent("the budget of requests is spent")
        self.seen += [p.request for p in prompts]
        return [p.answered(p.request.upper()) for p in prompts]


def traces(model: object, folder: Path, prompts: Sequence[Transcript] = QUESTIONS, **more: object) -> list[Trace]:
    options = {"sampling": Sampling(), "executor": Local(folder), "key": "t"} | more
    return list(collected(prompts, model=model, **options))  # type: ignore[arg-type]


def test_each_question_is_asked_once_and_never_again(tmp_path: Path) -> None:
    echo = Echo()
    first = traces(echo, tmp_path)
    assert [t.reply for t in first] == [q.request.upper() for q in QUESTIONS]
    assert len(echo.seen) == len(set(echo.seen)) == 40
    assert traces(echo, tmp_path) == first
    assert len(echo.seen) == 40
    assert len(unique([*QUESTIONS, *QUESTIONS])) == 40


def test_a_program_that_was_stopped_goes_on_with_the_same_traces(tmp_path: Path) -> None:
    poor = Echo(most=2 * AT_ONCE)
    with pytest.raises(BudgetSpent):
        traces(poor, tmp_path)
    rich = Echo()
    assert traces(rich, tmp_path) == traces(Echo(), tmp_path / "other")
    assert len(rich.seen) == 40 - 2 * AT_ONCE, "what was answered before is not asked again"


def test_more_questions_cost_only_the_new_ones(tmp_path: Path) -> None:
    echo = Echo()
    few = traces(echo, tmp_path, QUESTIONS[: 2 * AT_ONCE])
    assert traces(echo, tmp_path)[: 2 * AT_ONCE] == few
    assert len(echo.seen) == 40


def test_tokens_are_a_budget_too(tmp_path: Path) -> None:
    all_of_them = traces(Echo(), tmp_path)
    found = traces(Echo(), tmp_path, tokens=150)
    spent = sum(t.tokens for t in found)
    assert found == all_of_them[: len(found)]
    assert spent <= 150 < spent + all_of_them[len(found)].tokens


def test_an_answer_that_could_not_be_had_is_spent_and_teaches_nothing(tmp_path: Path) -> None:
    found = traces(Faulty(bad="number 3 "), tmp_path)
    assert [t.prompt.request for t in found if t.error] == [QUESTIONS[3].request]
    assert len(demonstrations(found)) == 39
    assert all(row["chosen"] and row["prompt"][0]["role"] == "user" for row in demonstrations(found))


def test_a_target_that_never_answers_raises_its_error(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="faulty answered nothing: the server hung up"):
        traces(Faulty(bad=""), tmp_path)


def test_fewer_questions_are_the_beginning_of_more_and_the_seed_draws_them() -> None:
    few, more = (ordered(QUESTIONS, choose="random", most=n, seed=0) for n in (5, 20))
    assert more[:5] == few
    assert more != ordered(QUESTIONS, choose="random", most=20, seed=1)


def test_spread_takes_what_is_unlike_the_chosen_before() -> None:
    near = asked(*(f"How do I boil an egg, version {i}?" for i in range(12)))
    far = asked("Who wrote the ninth symphony?", "Name a river in Peru.", "Why is the sky blue?")
    found = ordered([*near, *far], choose="spread", most=4, seed=0)
    assert sum(q in far for q in found) == 3
    assert sum(q in far for q in ordered([*near, *far], choose="random", most=4, seed=0)) < 3


def test_doubt_takes_what_the_student_is_least_sure_of() -> None:
    assert ordered(QUESTIONS[:3], choose="doubt", most=2, seed=0, doubt=[0.1, 2.0, 1.0]) == [QUESTIONS[1], QUESTIONS[2]]
    with pytest.raises(SettingsError, match="needs a student"):
        ordered(QUESTIONS, choose="doubt", most=2, seed=0)
    with pytest.raises(SettingsError, match="did you mean 'spread'"):
        ordered(QUESTIONS, choose="spred", most=2, seed=0)  # type: ignore[arg-type]


def test_topics_become_questions() -> None:
    found = about(["bees", "", " the sea "])
    assert len(found) == 2 * len(ABOUT)
    assert any(q.request.endswith("the sea.") for q in found)


def test_answers_agree_by_shared_words_or_by_the_choice() -> None:
    free = Transcript((Message("user", "?"),))
    assert agreement(free, "the cat sat", "the cat sat") == 1.0
    assert agreement(free, "the cat sat", "the dog sat") == pytest.approx(2 / 3)
    assert agreement(free, "", "") == 1.0
    assert agreement(free, "yes", "") == 0.0
    choice = Transcript((Message("user", "A or B?"),), {"choices": ["A", "B"]})
    assert agreement(choice, "It is B, not A.", "B") == 1.0
    assert agreement(choice, "B", "A") == 0.0
    assert agreement(choice, "none", "none") == 0.0, "no choice is no agreement"
    with pytest.raises(DataError, match="list of texts"):
        agreement(Transcript((), {"choices": "AB"}), "A", "A")
