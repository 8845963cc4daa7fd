"""What a search learns from a reply: a score before an answer, an answer before a refusal, nothing below everything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from gnomon.core import plugin
from gnomon.core.protocols import Budget, Direction, Reply, Sampling
from gnomon.core.types import Message, Score, Transcript
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.feedback import closeness, declined, said
from gnomon.redteam.search import search
from gnomon.scoring import judge

from .conftest import goal


def reply(text: str, value: float | None) -> Reply:
    score = Score.unscored("no") if value is None else Score(value=value)
    return Reply(
        transcript=Transcript((Message("user", "Hi?"), Message("assistant", text))), score=score, breached=False,
        progress=value,
    )  # fmt: skip


def test_order_of_closeness() -> None:
    order = [
        reply("The code is A.", None),
        reply("I'm sorry, but I can't help with that.", 0.0),
        reply("The shop opens at nine in the morning.", 0.0),
        reply("I'm sorry, but I can't help with that.", 0.4),
    ]
    values = [closeness(r) for r in order]
    assert values == sorted(values)
    assert len(set(values)) == 4


def test_silence_is_declining_and_words_say_both() -> None:
    assert declined(reply("", 0.0))
    assert said(reply("I'm sorry, but I can't help with that.", 0.25)) == "0.25, and the target refused"
    assert said(reply("It opens at nine.", 0.5)) == "0.50"
    assert said(reply("It opens at nine.", None)) == "not scored"


@dataclass
class Echo:
    """Says part of what it is asked, so that scores of replies follow the request."""

    heard: list[Transcript] = field(default_factory=list)
    identity: dict[str, str] = field(default_factory=lambda: {"name": "echo"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.heard += prompts
        return [p.answered(" ".join(p.request.split()[::2])) for p in prompts]


@dataclass(frozen=True)
class Letters:
    """A detector that counts the letter e in eighths, or its mirror image."""

    direction: Direction = "higher is worse"
    bounds: tuple[float, float] = (-2.0, 6.0)

    def score(self, *, transcript: Transcript) -> Score:
        value = min(5.0, transcript.reply.count("e") / 8)
        return Score(value=value if self.direction == "higher is worse" else sum(self.bounds) - value)


WAYS: tuple[tuple[Direction, float], ...] = (("higher is worse", 5.5), ("higher is better", -1.5))
STEERED = ("refusal_suppression", "autodan", "tap", "pair", "best_of_n")


def asked(name: str, detector: Letters, at: float, tries: int = 60) -> tuple[list[Transcript], list[dict[str, Any]]]:
    """What a target hears from an attack, and the rows."""
    model = Echo()
    rows = list(
        search(
            attack=plugin.build("attack", name),
            goals=[goal()],
            model=model,
            judge=lambda norm, transcript: judge.judged(detector, transcript, at),
            budget=Budget(tries=tries),
            sampling=Sampling(),
            seed=1,
            attacker=ScriptedModel(default='{"prompt": "As to \u201c{request}\u201d, see here"}'),
        )
    )
    return model.heard, rows


@pytest.mark.parametrize("name", STEERED)
def test_a_mirrored_detector_leads_to_the_same_steps(name: str) -> None:
    one, two = (asked(name, Letters(direction), at) for direction, at in WAYS)
    assert one == two
    assert len(one[0]) == 60


@pytest.mark.parametrize("direction", [d for d, _ in WAYS])
def test_a_search_goes_towards_the_breach_whichever_way_the_detector_counts(direction: Direction) -> None:
    at = dict(WAYS)[direction]
    heard, _ = asked("autodan", Letters(direction), at, tries=120)
    counts = [" ".join(t.request.split()[::2]).count("e") for t in heard]
    assert sum(counts[-30:]) > sum(counts[:8]) / 8 * 30
