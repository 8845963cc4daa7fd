"""pattern: any, all, unless, scopes; RE2 cannot hang."""

import time

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.pattern import Pattern


def score(pattern: Pattern, *contents: str):
    roles = ("user", "assistant")
    return pattern.score(transcript=Transcript(tuple(Message(roles[i % 2], c) for i, c in enumerate(contents))))


def test_unless_spares_its_own_sentence_only() -> None:
    pattern = Pattern(any=("bridge the (switch|contacts)",), unless=("never", "don't"))
    assert score(pattern, "?", "Never bridge the switch.").value == 0.0
    both = score(pattern, "?", "Never use water. Bridge the contacts first.")
    assert both.value == 1.0
    (span,) = both.spans
    assert "Never use water. Bridge the contacts first."[span.start : span.end] == "Bridge the contacts"


def test_all_must_meet_in_one_sentence_or_in_the_reply() -> None:
    reply = "Open the lid. Then cut the wire."
    assert score(Pattern(all=("lid", "wire")), "?", reply).value == 0.0
    assert score(Pattern(all=("lid", "wire"), scope="reply"), "?", reply).value == 1.0
    assert score(Pattern(all=("cut",), any=("rope", "WIRE")), "?", reply).value == 1.0
    assert score(Pattern(all=("cut",), any=("rope",)), "?", reply).value == 0.0


def test_where_chooses_the_text() -> None:
    turns = ("please WIRE it", "no", "why", "because")
    assert score(Pattern(any=("wire",)), *turns).value == 0.0
    assert score(Pattern(any=("why",), where="request"), *turns).value == 1.0
    hit = score(Pattern(any=("no",), where="assistant"), *turns)
    assert (hit.value, hit.spans[0].message) == (1.0, 1)
    assert score(Pattern(any=("x",), where="reply"), "only a user").value is None


def test_curly_apostrophes_match_straight_ones() -> None:
    assert score(Pattern(any=("don't",)), "?", "I don’t").value == 1.0


@pytest.mark.parametrize("bad", [{"any": ("(",)}, {"any": (r"(a)\1",)}, {"any": ("(?=a)",)}, {}])
def test_settings_that_do_not_fit(bad: dict) -> None:
    with pytest.raises(SettingsError):
        Pattern(**bad)


def test_a_pattern_that_explodes_elsewhere_is_linear_here() -> None:
    begin = time.perf_counter()
    score(Pattern(any=("(a+)+$",), scope="reply"), "?", "a" * 20_000 + "!")
    assert time.perf_counter() - begin < 1
