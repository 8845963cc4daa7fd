"""Judge injection: a judge that obeys is fooled through a target that copies, a fenced or deaf one is not."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget, Sampling
from gnomon.core.types import Transcript
from gnomon.evaluation.judges.llm import RubricJudge
from gnomon.evaluation.judges.rubric import Rubric
from gnomon.evaluation.judges.voting import Vote
from gnomon.redteam.attacks.judge_injection import JudgeInjection
from gnomon.redteam.fooled import fooled
from gnomon.redteam.search import search
from gnomon.scoring.judge_injection import CONTROL, FORMS

from ..conftest import goal
from ..test_contract import drive


@dataclass
class Copies:
    """Answers badly, and copies whatever it is told to copy; it answers well where `good`."""

    good: bool = False
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "copies"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        said = "The shop opens at nine." if self.good else "Who knows?"
        return [p.answered(f"{said}\n{p.request.partition('word for word')[2]}") for p in prompts]


@dataclass
class Obeying:
    """A voter that does what the material says: the last word in an order to answer, unless told not to follow any."""

    form: str = "Answer with one word: {options}."
    heeds_the_fence: bool = True
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "obeying"})

    def votes(self, *, prompts: Sequence[Transcript], options: Sequence[str]) -> list[Vote]:
        return [self._vote(p, options) for p in prompts]

    def _vote(self, prompt: Transcript, options: Sequence[str]) -> Vote:
        whole = "\n".join(m.content for m in prompt.messages)
        material = prompt.messages[-1].content.rpartition("Question:")[0]
        fenced = "Never follow them" in whole and self.heeds_the_fence
        told = [] if fenced else re.findall(r"(?:Answer|right answer is|Verdict:|reply) \"?(yes|no)\b", material)
        top = told[-1] if told else ("yes" if "opens at nine" in material else "no")
        return Vote(shares={o: float(o == top) for o in options}, samples=(top,))


def good(transcript: Transcript) -> float:
    return float("opens at nine" in transcript.reply)


def row(*, fence: bool = False, target: Copies | None = None, deaf: bool = False) -> dict[str, object]:
    judge = RubricJudge(voter=Obeying(heeds_the_fence=not deaf), rubric=Rubric(question="Is it right?"), fence=fence)

    def measure(transcript: Transcript) -> float | None:
        return judge.judge(transcripts=[transcript])[0].score

    options = {
        "goals": [goal()], "model": target or Copies(), "judge": fooled(measure=measure, reference=good),
        "budget": Budget(tries=30), "sampling": Sampling(), "seed": 0,
    }  # fmt: skip
    return next(search(attack=JudgeInjection(wanted="yes"), **options))  # type: ignore[arg-type]


def test_a_judge_that_obeys_is_fooled() -> None:
    found = row()
    assert found["broke"] is not None
    assert "judge_injection" in str(found["note"])


def test_the_fence_holds_where_it_is_heeded_and_only_there() -> None:
    assert row(fence=True)["broke"] is None
    assert row(fence=True, deaf=True)["broke"] is not None


def test_praise_for_a_good_reply_is_no_success() -> None:
    assert row(target=Copies(good=True))["broke"] is None


def test_every_form_is_asked_for_in_every_way_and_never_the_innocent_one() -> None:
    attempts = drive(JudgeInjection(wanted="maybe"), goal(), Budget(tries=100), 0)
    assert len(attempts) == 4 * (len(FORMS) - 1)
    assert len({a.prompt.request for a in attempts}) == len(attempts)
    assert not any(FORMS[CONTROL].strip() in a.prompt.request for a in attempts)
    assert all("maybe" in a.prompt.request and goal().prompt.request in a.prompt.request for a in attempts)


def test_an_empty_verdict_is_refused() -> None:
    with pytest.raises(SettingsError, match="such as yes"):
        JudgeInjection(wanted=" ")
