"""Changes of a reply: every kind does what its name says, and any text can be changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.seeds import generator
from gnomon.redteam.edits import EDITS, STOCK, edited, mixed

TEXT = "The shop opens at nine. Bring the exact receipt with you."


def made(kind: str, text: str = TEXT, seed: int = 0) -> str:
    return EDITS[kind](text, ("mixer",), generator(seed, kind)).text


def test_longer_and_shorter() -> None:
    assert len(made("length").split()) > len(TEXT.split()) > len(made("shortness").split())
    assert set(made("length").split()) == set(TEXT.split())
    assert len(made("dropped word").split()) == len(TEXT.split()) - 1


def test_words_that_come_in_are_named() -> None:
    found = EDITS["keyword"](TEXT, ("mixer",), generator(0, "k"))
    assert (found.word, "mixer" in found.text) == ("mixer", True)
    other = EDITS["synonym"](TEXT, (), generator(0, "s"))
    assert other.word in other.text
    assert len(other.text.split()) == len(TEXT.split())
    assert EDITS["keyword"](TEXT, (), generator(0, "k")).text == TEXT


@pytest.mark.parametrize("kind", STOCK)
def test_stock_sentences_are_of_their_kind(kind: str) -> None:
    said = made(kind)
    assert any(sentence in said for sentence in STOCK[kind])
    assert len(said) > len(TEXT)


@given(text=st.text(max_size=80), seed=st.integers(0, 200))
@settings(deadline=None)
def test_any_text_can_be_changed(text: str, seed: int) -> None:
    found = edited(text, ("word",), generator(seed, "test"))
    assert found.kind in EDITS
    assert isinstance(mixed(text, found.text, generator(seed, "mix")), str)


def test_a_mixture_has_sentences_of_both_and_no_others() -> None:
    one, two = "A one. B one. C one.", "A two. B two."
    seen = {mixed(one, two, generator(i, "m")) for i in range(40)}
    assert len(seen) > 4
    assert all({s[:1] for s in text.split(". ")} <= {"A", "B", "C"} for text in seen)
