"""tone: neutral in the middle, markers to either side."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.tone import Tone


def says(reply: str, style: str = "polite") -> float:
    value = Tone(style=style).score(transcript=Transcript((Message("assistant", reply),))).value  # type: ignore[arg-type]
    assert value is not None
    return value


def test_neutral_is_half_and_markers_halve_what_is_left() -> None:
    assert says("It costs 349 euros.") == 0.5
    assert says("Please wait.") == 0.75
    assert says("Please wait, thank you.") == 0.875
    assert says("Whatever.") == 0.25


@pytest.mark.parametrize(
    ("style", "better", "worse"),
    [
        ("formal", "We regret that it cannot be sent.", "Nope, can't send it, guys"),
        ("casual", "Hey, no worries!", "We regret that it cannot be sent."),
        ("polite", "Thank you, I'm happy to help.", "Go away, that is not my problem."),
    ],
)
def test_styles(style: str, better: str, worse: str) -> None:
    assert says(better, style) > 0.5 > says(worse, style)
