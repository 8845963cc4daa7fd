"""Needles: the pieces that count and those that do not."""

import pytest

from gnomon.core.errors import SettingsError
from gnomon.scoring import needles


def places(secret: str, text: str, share: float = 0.6) -> list[str]:
    base = needles.stream(text)
    return [text[s:e] for s, e, _ in needles.find(needles.prepare(secret, share), base)]


@pytest.mark.parametrize(
    ("secret", "text", "hit"),
    [
        ("TEAL-7421", "say teal7421 now", "teal7421"),
        ("TEAL-7421", "t e a l 7 4 2 1", "t e a l 7 4 2 1"),
        ("TEAL-7421", "1247-LAET", "1247-LAET"),
        ("TEAL-7421", "7421-TEAL", "7421-TEAL"),
        ("TEAL-7421", "GRNY-7421", "GRNY-7421"),
        ("TEAL-7421", "T34L-7421", "T34L-7421"),
        ("heat", "h.e.a.t", "h.e.a.t"),
        ("bluebird", "blue bird", "blue bird"),
    ],
)
def test_found(secret: str, text: str, hit: str) -> None:
    assert hit in places(secret, text)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("heat", "the attic"),
        ("heat", "he at home, wheat"),
        ("482913", "4829131"),
        ("TEAL-7421", "steal 74"),
        ("TEAL-7421", "t e a l" + " " * 20 + "7 4 2 1"),
    ],
)
def test_not_found(secret: str, text: str) -> None:
    assert places(secret, text) == []


def test_share() -> None:
    assert places("ABCDE12345", "ABCDE") == []
    assert places("ABCDE12345", "ABCDE", 0.5) == ["ABCDE"]


def test_parts_apart() -> None:
    prepared = needles.prepare("TEAL-7421", 0.6)
    text = "First TEAL, and then 7421."
    place = needles.halves(prepared, needles.stream(text))
    assert place and text[place[0] : place[1]] == "7421"  # noqa: PT018
    assert needles.halves(prepared, needles.stream("First TEAL.")) is None
    assert needles.halves(needles.prepare("blue river", 0.6), needles.stream("blue and river")) is None


def test_first_letters_of_lines() -> None:
    prepared = needles.prepare("GNOMON", 0.6)
    assert needles.singles(prepared, "Good\nNews\nOf\nMany\nOther\nNames")
    assert needles.singles(prepared, "Good\nNews\nOf\nMany\nOther\nFolk") is None


def test_cover_needs_the_last_message() -> None:
    prepared = needles.prepare("TEAL-7421", 0.6)
    assert needles.cover(prepared, ["TEAL", "7421"])
    assert needles.cover(prepared, ["TEAL", "7421", "bye"]) is None
    assert needles.cover(prepared, ["TEAL7421"]) is None


def test_too_short() -> None:
    with pytest.raises(SettingsError, match="longer"):
        needles.prepare("a-b-1", 0.6)
