"""1 when the reply states the expected fact: one of the accepted strings (or all of them), numbers compared as numbers.

It does not see whether the rest of the reply is true; list what would contradict it under `reject`.
Source: our own rules; 1.500,00 and 1,500.00 and "fifteen hundred" are compared as values where they can be read.
Units: 1 stated, 0 not; with all=true the share of the strings that are stated.
Fails: closed; a case without an expectation is unscored. EMPTY: 0.
"""

import functools
import re
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Span, Transcript
from gnomon.scoring import numbers, text

_ASK = Message("user", "What does the mixer cost, and how long is the warranty?")
_BOTH: dict[str, Json] = {"answer": ["349 euros", "two years"], "all": True}
GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"answer": ["€349", "349 euros"]}, Transcript((_ASK, Message("assistant", "It costs 349.00 euros.")))),
    (_BOTH, Transcript((_ASK, Message("assistant", "349 euros, with 2 years of warranty.")))),
    ({"answer": ["monday"], "reject": ["tuesday"]}, Transcript((_ASK, Message("assistant", "On Monday.")))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"answer": ["€349", "349 euros"]}, Transcript((_ASK, Message("assistant", "It costs 1,349 euros.")))),
    (_BOTH, Transcript((_ASK, Message("assistant", "349 euros.")))),
    ({"answer": ["monday"], "reject": ["tuesday"]}, Transcript((_ASK, Message("assistant", "Monday or Tuesday.")))),
)
EMPTY = 0.0


@dataclass(frozen=True, kw_only=True)
class Fact:
    """An expected fact that the reply states."""

    answer: tuple[str, ...] = ()
    """Accepted strings; words must match whole, numbers by value, case and accents are ignored."""
    all: bool = False
    """Whether every string must be there (the score is their share) or any one."""
    reject: tuple[str, ...] = ()
    """Strings any of which makes the score 0, because they contradict the fact."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, *, transcript: Transcript) -> Score:
        wanted = _strings(text.expected(transcript, "answer", self.answer))
        rejected = _strings(text.expected(transcript, "reject", self.reject))
        if not wanted:
            return Score.unscored("no expected answer: write it under 'answer' in the case's expect")
        return text.on_reply(transcript, lambda reply, index: self._judge(reply, index, wanted, rejected))

    def _judge(self, reply: str, index: int, wanted: list[str], rejected: list[str]) -> Score:
        tokens = _tokens(reply)
        if any(_place(_needle(r), tokens) for r in rejected):
            return Score(value=0.0, reason="states what contradicts the fact")
        places = [place for w in wanted if (place := _place(_needle(w), tokens))]
        spans = tuple(Span(index, start, end) for start, end in places)
        value = len(places) / len(wanted) if self.all else float(bool(places))
        return Score(value=value, reason="" if value == 1 else "the fact is missing, or a part of it", spans=spans)


def _strings(value: Json) -> list[str]:
    return [str(v) for v in ([value] if isinstance(value, str | int | float) else value)]


_Token = tuple[str, int, int]
_SIGNS = {"€": "euro", "$": "dollar", "£": "pound", "%": "percent", "eur": "euro", "usd": "dollar", "gbp": "pound"}


def _tokens(content: str) -> list[_Token]:
    """Words folded and singular, numbers as values, currency signs as words after their number."""
    out: list[_Token] = []
    taken = 0
    counted = sorted(numbers.numerals(content))
    for start, end, value in [*counted, (len(content), len(content), -1.0)]:
        if start < taken:
            continue
        for match in re.finditer(r"[^\W_]+|[€$£%]", content[taken:start]):
            folded = text.fold(match.group())[0]
            word = _SIGNS.get(folded, folded)
            out.append(
                (
                    word[:-1] if len(word) > 3 and word.endswith("s") else word,
                    taken + match.start(),
                    taken + match.end(),
                )
            )
        if start < len(content):
            out.append((f"#{value:g}" if abs(value) < 1e6 else f"#{value:.2f}", start, end))
        taken = end
    for i in range(len(out) - 1):
        signed = out[i][0] in ("euro", "dollar", "pound") and out[i + 1][0].startswith("#")
        if signed and (i + 2 >= len(out) or out[i + 2][0] != out[i][0]):
            out[i], out[i + 1] = out[i + 1], out[i]
    return out


@functools.lru_cache(maxsize=4096)
def _needle(wanted: str) -> tuple[str, ...]:
    return tuple(t for t, _, _ in _tokens(wanted))


def _place(needle: tuple[str, ...], tokens: list[_Token]) -> tuple[int, int] | None:
    size = len(needle)
    if not size:
        return None
    for at in range(len(tokens) - size + 1):
        if all(tokens[at + i][0] == needle[i] for i in range(size)):
            part = tokens[at : at + size]
            return min(t[1] for t in part), max(t[2] for t in part)
    return None
