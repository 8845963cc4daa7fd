"""1 when the reply has the form that was asked for: bullets, numbered, JSON, one word, a count of sentences, and so on.

It judges the form alone; where part of the lines fit, the value is their share.
Source: verifiable instructions as in IFEval (Zhou et al. 2023, arXiv:2311.07911); the rules are ours.
Units: the value is in [0, 1].
Fails: closed; an unknown kind raises SettingsError. EMPTY: 0.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from gnomon.core.errors import SettingsError, choices
from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import text

GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"kind": "bullets"}, Transcript((Message("assistant", "- Mixer\n- Kettle"),))),
    ({"kind": "json"}, Transcript((Message("assistant", '{"price": 349}'),))),
    ({"kind": "sentences:2"}, Transcript((Message("assistant", "It costs 349 euros. It is red."),))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"kind": "bullets"}, Transcript((Message("assistant", "Mixer and kettle."),))),
    ({"kind": "json"}, Transcript((Message("assistant", "The price is 349."),))),
    ({"kind": "sentences:2"}, Transcript((Message("assistant", "It costs 349 euros and is red."),))),
)
EMPTY = 0.0


def _lines(reply: str) -> list[str]:
    return [line for line in reply.splitlines() if line.strip()]


def _share(reply: str, pattern: str, least: int = 2) -> float:
    """Share of the lines that match, counted from the first that does (a heading above a list is allowed)."""
    lines = _lines(reply)
    hits = [bool(re.match(pattern, line)) for line in lines]
    if sum(hits) < least:
        return 0.0
    body = hits[hits.index(True) :] if hits.index(True) <= 1 else hits
    return sum(body) / len(body)


def _numbered(reply: str) -> float:
    given = [int(m[1]) for line in _lines(reply) if (m := re.match(r"\s*\**(\d{1,3})[.)]", line))]
    return _share(reply, r"\s*\**\d{1,3}[.)]\**\s+\S") if given == list(range(1, len(given) + 1)) else 0.0


def _json(reply: str) -> float:
    body = re.sub(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", r"\1", reply, flags=re.DOTALL)
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return 0.0
    return float(isinstance(value, dict | list))


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _cased(reply: str, wanted: Callable[[str], bool]) -> float:
    letters = [c for c in reply if c.isalpha() and c.lower() != c.upper()]
    return sum(map(wanted, letters)) / len(letters) if letters else 0.0


def _table(reply: str) -> float:
    lines = _lines(reply)
    ruled = any(re.fullmatch(r"\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?\|?\s*", line) for line in lines)
    return _share(reply, r"\s*\|.*\|") if ruled else 0.0


def _count(reply: str, wanted: int, have: int) -> float:
    return 1.0 if have == wanted else max(0.0, 1 - abs(have - wanted) / wanted) / 2


_KINDS: Mapping[str, Callable[[str], float]] = MappingProxyType(
    {
        "bullets": lambda r: _share(r, r"\s*[-*•+]\s+\S"),
        "numbered": _numbered,
        "json": _json,
        "table": _table,
        "one_word": lambda r: float(len(text.words(r)) == 1),
        "one_line": lambda r: float(len(_lines(r)) == 1),
        "uppercase": lambda r: _cased(r, str.isupper),
        "lowercase": lambda r: _cased(r, str.islower),
        "question": lambda r: float(r.rstrip(" \n\"')*").endswith(("?", "？"))),
        "no_digits": lambda r: float(bool(r.strip()) and not any(c.isdigit() for c in r)),
        "quoted": lambda r: float(bool(re.fullmatch(r"\s*[\"“«„'](?:.|\n)*[\"”»“']\s*", r))),
    }
)
_COUNTED: Mapping[str, Callable[[str], int]] = MappingProxyType(
    {
        "sentences": lambda r: sum(1 for _ in text.sentences(r)),
        "words": lambda r: len(text.words(r)),
        "lines": lambda r: len(_lines(r)),
        "paragraphs": lambda r: len([p for p in re.split(r"\n\s*\n", r) if p.strip()]),
        "items": lambda r: len([line for line in _lines(r) if re.match(r"\s*(?:[-*•+]|\d{1,3}[.)])\s+\S", line)]),
    }
)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form that the reply should have."""

    kind: str
    """bullets, numbered, json, table, one_word, one_line, uppercase, lowercase, question, no_digits, quoted; or a
    count: sentences:N, words:N, lines:N, paragraphs:N, items:N."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _rule(self.kind)

    def score(self, *, transcript: Transcript) -> Score:
        kind = str(text.expected(transcript, "kind", self.kind))
        rule = _rule(kind)
        return text.on_reply(transcript, lambda reply, _: _judge(reply, rule, kind))


def _judge(reply: str, rule: Callable[[str], float], kind: str) -> Score:
    value = rule(reply) if reply.strip() else 0.0
    return Score(value=value, reason="" if value == 1 else f"not {kind}, or only in part")


def _rule(kind: str) -> Callable[[str], float]:
    name, colon, count = kind.partition(":")
    if not colon and name in _KINDS:
        return _KINDS[name]
    if name in _COUNTED and count.isdecimal() and 0 < int(count) < 10_000:
        counter, wanted = _COUNTED[name], int(count)
        return lambda reply: _count(reply, wanted, counter(reply))
    known = [*_KINDS, *(f"{n}:N" for n in _COUNTED)]
    raise SettingsError(f"format: no kind '{kind}'; {choices(kind, known)}")
