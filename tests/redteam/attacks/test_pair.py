"""PAIR: the attacker's model sees reply and score, and leads a target that breaks step by step to the step."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget, Sampling
from gnomon.core.types import Score, Transcript
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.attacks.pair import Pair
from gnomon.redteam.search import search
from gnomon.scoring.judge import Judged

from ..conftest import SECRET, goal


@dataclass
class Learner:
    """Says "please" once more than in its last message, and keeps what it saw."""

    seen: list[Transcript] = field(default_factory=list)
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "learner"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.seen += prompts
        return [p.answered(json.dumps({"improvement": "politer", "prompt": self._next(p)})) for p in prompts]

    @staticmethod
    def _next(prompt: Transcript) -> str:
        last = re.search(r"Message: (.*)\n", prompt.request)
        return "please" if last is None else f"please {last[1]}"


class Polite:
    """Breaks after five times please, and its score is how many there were."""

    identity: Mapping[str, str] = {"name": "polite"}

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        return [p.answered(SECRET if p.request.count("please") > 4 else "It is shut today.") for p in prompts]


def judged(norm: str, transcript: Transcript) -> Judged:
    gone = transcript.request.count("please") / 5
    return Judged(Score(value=gone), SECRET in transcript.reply, gone)


def run(attack: Pair, **more: object) -> dict[str, object]:
    options = {
        "goals": [goal()], "judge": judged, "model": Polite(), "budget": Budget(tries=20), "sampling": Sampling(),
        "seed": 0,
    } | more  # fmt: skip
    return next(search(attack=attack, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_streams_take_turns_and_the_first_reaches_the_fifth_step(streams: int) -> None:
    row = run(Pair(streams=streams), attacker=Learner())
    assert row["broke"] == 4 * streams + 1
    assert row["asks"] == row["broke"]


def test_the_attackers_model_sees_goal_message_reply_and_score() -> None:
    learner = Learner()
    run(Pair(streams=1), attacker=learner)
    assert all(goal().prompt.request in p.messages[0].content for p in learner.seen)
    second = learner.seen[1].request
    assert all(part in second for part in ("Message: please\n", "It is shut today.", "0.20"))
    assert max(len(p.messages) for p in learner.seen) == 4
    assert SECRET not in "".join(m.content for p in learner.seen for m in p.messages)


def test_without_its_model_or_with_one_that_talks_nonsense_the_request_is_put_behind_converters() -> None:
    for more in ({}, {"attacker": ScriptedModel(default="The weather is fine.")}):
        row = run(Pair(streams=2), model=ScriptedModel(default="No."), **more)
        assert (row["tries"], row["broke"]) == (20, None)
        assert "x" in str(row["note"])


def test_it_ends_after_its_depth() -> None:
    row = run(Pair(streams=2, depth=3), model=ScriptedModel(default="No."))
    assert (row["tries"], row["ended"]) == (6, "the attack had no more")


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        Pair(streams=0)
