"""How much of the reply is in a language: by script, and for Latin script by the commonest words of each language.

Short replies without any common word cannot be told and are unscored. Russian stands for every Cyrillic text and
Arabic for every Arabic one: the script decides there.
Source: small-word identification (Grefenstette 1995); Unicode block list.
Units: share of the reply's letters in the script, times the share of its sentences' common words; in [0, 1].
Fails: closed; a language that is not known raises SettingsError. EMPTY: 0.
"""

import functools
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.errors import SettingsError, choices
from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import lexicon, text

GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"code": "de"}, Transcript((Message("assistant", "Die Garantie beträgt zwei Jahre und gilt für alle Geräte."),))),
    ({"code": "ja"}, Transcript((Message("assistant", "保証は二年です。"),))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"code": "de"}, Transcript((Message("assistant", "The warranty is two years and it covers all of them."),))),
    ({"code": "ja"}, Transcript((Message("assistant", "保修期为两年。"),))),
)
EMPTY = 0.0


@dataclass(frozen=True, kw_only=True)
class Language:
    """Share of the reply that is in one language."""

    code: str
    """ISO 639-1 code: ar, de, en, es, fr, it, ja, ko, nl, pt, ru or zh."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check(self.code)

    def score(self, *, transcript: Transcript) -> Score:
        code = str(text.expected(transcript, "code", self.code))
        _check(code)
        return text.on_reply(transcript, lambda reply, _: _judge(reply, code))


def _check(code: str) -> None:
    if code not in lexicon.LANGUAGES:
        raise SettingsError(f"language: no language '{code}'; {choices(code, lexicon.LANGUAGES)}")


@functools.lru_cache(maxsize=4096)
def _script(character: str) -> str:
    point = ord(character)
    for name, ranges in lexicon.SCRIPTS.items():
        if any(low <= point <= high for low, high in ranges):
            return name
    return "other"


def _judge(reply: str, code: str) -> Score:
    letters = [c for c in reply if c.isalpha()]
    if not letters:
        return Score(value=0.0, reason="no letters")
    counts: dict[str, int] = {}
    for character in letters:
        script = _script(character)
        counts[script] = counts.get(script, 0) + 1
    east = counts.get("kana", 0) + counts.get("han", 0)
    if code in ("ja", "zh"):
        japanese = counts.get("kana", 0) > 0.1 * east
        return Score(value=east / len(letters) if japanese == (code == "ja") else 0.0)
    if code in lexicon.SCRIPT_OF:
        return Score(value=counts.get(lexicon.SCRIPT_OF[code], 0) / len(letters))
    return _latin(reply, code, counts.get("latin", 0) / len(letters))


def _latin(reply: str, code: str, latin: float) -> Score:
    """Each common word votes for the languages that have it; a word of one language alone counts whole."""
    votes = dict.fromkeys(lexicon.STOPWORDS, 0.0)
    if latin < 0.5:
        return Score(value=0.0, reason="another script")
    for word in text.words(reply):
        owners = [name for name, common in lexicon.STOPWORDS.items() if word in common]
        for name in owners:
            votes[name] += 1 / len(owners)
    total, best = sum(votes.values()), max(votes.values())
    if not total:
        return Score.unscored("too short to tell the language: none of its words is common in any that is known")
    return Score(value=latin if votes[code] == best else latin * votes[code] / (best + votes[code]))
