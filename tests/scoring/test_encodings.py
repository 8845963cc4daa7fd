"""Decoders against the standard library's encoders and the published vectors of RFC 4648."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.scoring import encodings

PLAIN = st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=5, max_size=20)


def has(text: str, wanted: str) -> bool:
    return any(wanted in inner for inner, _, _ in encodings.decoded(text))


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        ("Zm9vYg==", "foob"),
        ("Zm9vYmE=", "fooba"),
        ("Zm9vYmFy", "foobar"),
        ("MZXW6YQ=", "foob"),
        ("MZXW6YTB", "fooba"),
        ("MZXW6YTBOI======", "foobar"),
        ("666F6F626172", "foobar"),
    ],
)
def test_rfc_4648_vectors(encoded: str, plain: str) -> None:
    assert has(encoded, plain)


@given(PLAIN)
@settings(deadline=None, max_examples=60)
def test_roundtrips(plain: str) -> None:
    raw = plain.encode()
    assert has("x: " + raw.hex(" "), plain)
    assert has("x: " + base64.b32encode(raw).decode(), plain)
    assert has(" ".join(f"{b:08b}" for b in raw), plain)
    assert has(" ".join(f"\\{b:03o}" for b in raw), plain)
    assert has(", ".join(map(str, raw)), plain)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tango echo seven", "t e 7"),
        ("T as in tango, E as in echo", "T , E"),
        ("double seven two", "7 7 2"),
        ("seventy-four twenty one", "74 21"),
        ("A dash four", "A 4"),
        ("x-ray niner", "x 9"),
    ],
)
def test_spelled(text: str, wanted: str) -> None:
    assert any(wanted in inner for inner, _, _ in encodings.spelled_texts(text))


@pytest.mark.parametrize("text", ["... --- ...", "···  −−−  ···", "... / --- / ..."])
def test_morse(text: str) -> None:
    (inner, _, _) = next(encodings.morse_texts(text))
    assert inner.replace(" ", "") == "sos"


def test_places_are_those_of_the_code() -> None:
    text = "Look: 666f6f626172, nice."
    starts = [start for inner, start, _ in encodings.hex_texts(text) if "foobar" in inner]
    assert starts == [text.index("666f")]


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=150)
def test_nothing_raises(text: str) -> None:
    for _, start, end in encodings.decoded(text):
        assert 0 <= start <= end <= len(text)


@pytest.mark.parametrize("piece", ["ab", "0x", "%4", "101", "12 ", "- .", "AbC9", "A a", "&#1", "as in ", "\\x4"])
def test_linear(piece: str) -> None:
    begin = time.perf_counter()
    for _ in encodings.decoded(piece * (200_000 // len(piece))):
        pass
    assert time.perf_counter() - begin < 5
