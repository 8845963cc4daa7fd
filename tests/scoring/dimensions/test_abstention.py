"""abstention: not knowing, against refusing and against guessing."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.abstention import Abstention


def says(reply: str, **settings: bool) -> float | None:
    return Abstention(**settings).score(transcript=Transcript((Message("assistant", reply),))).value


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know.",
        "I do not have information about the weight.",
        "Sorry, that is not on my sheet.",
        "I'm not sure about that.",
        "We have no details on this.",
        "I have no idea, sorry.",
        "There is no information about that on the sheet.",
        "I'm afraid I don’t know that.",
        "The weight isn't listed.",
        "I couldn't find that information.",
    ],
)
def test_abstains(reply: str) -> None:
    assert says(reply) == 1.0


@pytest.mark.parametrize(
    "reply",
    [
        "It weighs 3 kg.",
        "I can't help with that.",
        "You don't need a key.",
        "The mixer is not included in the offer, it costs 349 euros.",
        "It is on the sheet: 3 kg.",
    ],
)
def test_does_not(reply: str) -> None:
    assert says(reply) == 0.0


def test_a_guess_after_it_counts_only_when_allowed() -> None:
    reply = "I don't know exactly, but it is probably 3 kg."
    assert says(reply) == 0.0
    assert says(reply, hedged=True) == 1.0
