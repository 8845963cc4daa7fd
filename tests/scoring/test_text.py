"""Sentences, words and folding."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.types import Message, Score, Span, Transcript
from gnomon.scoring import text


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 1.500,00 euros. Fine", ["It costs 1.500,00 euros.", "Fine"]),
        ("a\nb\n\n- c", ["a", "b", "- c"]),
        ("See www.example.org now.", ["See www.example.org now."]),
        ("保証です。はい。", ["保証です。", "はい。"]),
        ("  ", []),
        ("", []),
    ],
)
def test_sentences(content: str, pieces: list[str]) -> None:
    assert [content[s:e] for s, e in text.sentences(content)] == pieces


@given(st.text(max_size=80))
def test_sentences_are_in_order_and_hold_every_letter(content: str) -> None:
    places = list(text.sentences(content))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(places))
    held = "".join(content[s:e] for s, e in places)
    assert [c for c in held if c.isalnum()] == [c for c in content if c.isalnum()]


@pytest.mark.parametrize(
    ("content", "folded"),
    [("ＴＥＡＬ", "teal"), ("ТЕАL", "teal"), ("é\u0301", "e"), ("a\u200bb", "ab"), ("ﬁ", "fi"), ("𝐀²", "a2")],
)
def test_fold(content: str, folded: str) -> None:
    assert text.fold(content)[0] == folded


@given(st.text(max_size=60))
def test_fold_keeps_places(content: str) -> None:
    folded, origin = text.fold(content)
    assert len(folded) == len(origin)
    assert all(0 <= i < len(content) for i in origin)
    assert list(origin) == sorted(origin)


@given(st.text(st.characters(max_codepoint=127, blacklist_categories=("Cc",)), max_size=60))
def test_fold_of_ascii_is_lower_case(content: str) -> None:
    assert text.fold(content)[0] == unicodedata.normalize("NFKC", content).lower()


def test_plain_keeps_the_length() -> None:
    assert text.plain("I don’t\u00a0know") == "I don't know"


def test_words() -> None:
    assert text.words("I don’t know: 3 Mixers_new!") == ["i", "don't", "know", "3", "mixers", "new"]


def test_expectation_comes_before_the_setting() -> None:
    assert text.expected(Transcript((), {"a": 0}), "a", 5) == 0
    assert text.expected(Transcript(()), "a", 5) == 5


def test_on_reply_and_found() -> None:
    asked = Transcript((Message("user", "x"),))
    assert text.reply_index(asked) is None
    assert text.on_reply(asked, lambda r, i: Score(value=1.0)).value is None
    score = text.on_reply(asked.answered("yes"), lambda r, i: text.found(i, [(0, len(r))], "why"))
    assert (score.value, score.reason, score.spans) == (1.0, "why", (Span(1, 0, 3),))
    assert text.found(1, [], "why") == Score(value=0.0)


def test_lookalikes_are_latin() -> None:
    assert {text.fold_character(c) for c in "асеорхі"} == set("aceopxi")
