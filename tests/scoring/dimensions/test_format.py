"""format: each kind on a text that has it and one that has not."""

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.format import Format


def says(kind: str, reply: str) -> float:
    value = Format(kind=kind).score(transcript=Transcript((Message("assistant", reply),))).value
    assert value is not None
    return value


YES = [
    ("bullets", "- a\n- b"),
    ("bullets", "Two things:\n* a\n* b"),
    ("numbered", "1. a\n2. b\n3. c"),
    ("json", '{"a": [1, 2]}'),
    ("json", '```json\n{"a": 1}\n```'),
    ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
    ("one_word", "Yes."),
    ("one_line", "One line, no more."),
    ("uppercase", "LOUD 12!"),
    ("lowercase", "quiet."),
    ("question", "Which one?"),
    ("no_digits", "two years"),
    ("quoted", "“Be kind.”"),
    ("sentences:2", "It costs 3.50 euros. Fine?"),
    ("words:3", "one two three"),
    ("lines:2", "a\n\nb"),
    ("paragraphs:2", "a\nb\n\nc"),
    ("items:3", "- a\n- b\n- c"),
]
NO = [
    ("bullets", "a, b"),
    ("bullets", "- only one"),
    ("numbered", "1. a\n3. b"),
    ("json", "349"),
    ("json", '{"a": NaN}'),
    ("json", "[" * 100_000),
    ("table", "| a | b |"),
    ("one_word", "Yes, sure."),
    ("one_line", "a\nb"),
    ("question", "This one."),
    ("no_digits", "2 years"),
    ("quoted", "Be kind."),
    ("uppercase", "quiet"),
    ("lowercase", "LOUD"),
]


@pytest.mark.parametrize(("kind", "reply"), YES)
def test_has_it(kind: str, reply: str) -> None:
    assert says(kind, reply) == 1.0


@pytest.mark.parametrize(("kind", "reply"), NO)
def test_has_not(kind: str, reply: str) -> None:
    assert says(kind, reply) == 0.0


def test_partial() -> None:
    assert says("bullets", "- a\n- b\n- c\nand more") == 0.75
    assert 0 < says("sentences:2", "One. Two. Three.") < 0.5
    assert says("uppercase", "AAab") == 0.5


@pytest.mark.parametrize("kind", ["bullet", "sentences", "sentences:0", "sentences:x", "bullets:3", ""])
def test_unknown_kind(kind: str) -> None:
    with pytest.raises(SettingsError, match="there are"):
        Format(kind=kind)
