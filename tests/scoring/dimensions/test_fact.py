"""fact: strings whole, numbers by value, all or any, and contradictions."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.fact import Fact


def says(reply: str, answer, **settings) -> float | None:
    return Fact(answer=answer, **settings).score(transcript=Transcript((Message("assistant", reply),))).value


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("It costs €1,349.00 in total.", ("1349 euros",)),
        ("It costs 1.349,00 EUR.", ("€1349",)),
        ("That is fifteen hundred watts? No: one thousand five hundred watts.", ("1500 watts",)),
        ("The warranty lasts TWO YEARS.", ("2 years",)),
        ("It weighs 3.20 kg.", ("3.2 kg",)),
        ("Open Monday to Friday.", ("monday to friday",)),
        ("Café au lait", ("cafe",)),
        ("We are open from 9 to 17.", ("9 to 17", "nine to five")),
        ("It is 20% off.", ("20 percent",)),
    ],
)
def test_stated(reply: str, answer: tuple[str, ...]) -> None:
    assert says(reply, answer) == 1.0


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("It costs 1349 euros.", ("349 euros",)),
        ("It weighs 13.2 kg.", ("3.2 kg",)),
        ("The cathedral", ("cat",)),
        ("2 months", ("2 years",)),
        ("349 dollars", ("349 euros",)),
    ],
)
def test_not_stated(reply: str, answer: tuple[str, ...]) -> None:
    assert says(reply, answer) == 0.0


def test_all_is_a_share_and_reject_is_a_veto() -> None:
    assert says("red and blue", ("red", "blue", "green", "white"), all=True) == 0.5
    assert says("red or blue", ("red",), reject=("blue",)) == 0.0


def test_expectation_of_the_case_and_its_absence() -> None:
    reply = (Message("assistant", "On Monday."),)
    assert Fact().score(transcript=Transcript(reply, {"answer": "monday"})).value == 1.0
    unscored = Fact().score(transcript=Transcript(reply))
    assert unscored.value is None
    assert "answer" in unscored.reason


def test_span() -> None:
    reply = "Well, it costs €349.00 now."
    (span,) = Fact(answer=("349 euros",)).score(transcript=Transcript((Message("assistant", reply),))).spans
    assert reply[span.start : span.end] == "€349.00"
