"""Share of the reply's content words that stand in a reference text: a cheap stand-in for keeping to the sheet.

It is a proxy: a reply that recites the sheet scores 1 whatever was asked. The gold beside it should be `fact`.
Source: the precision of ROUGE-1 (Lin 2004) over content words, with stems cut at six letters.
Units: the value is in [0, 1].
Fails: closed; no reply, or no reference text, is unscored. EMPTY: 0.
"""

import functools
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import lexicon
from gnomon.scoring import text as reading

_SHEET: dict[str, Json] = {"text": "Mixer M3: 349 euros. Warranty: two years. Delivery within 3 working days."}
GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    (_SHEET, Transcript((Message("assistant", "The M3 mixer costs 349 euros."),))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    (_SHEET, Transcript((Message("assistant", "Our blender is on sale for 20 dollars this weekend."),))),
)
EMPTY = 0.0


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Words of the reply that stand in a reference text."""

    text: str = ""
    """The reference; a case may bring its own under `text` in its expectation."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, *, transcript: Transcript) -> Score:
        reference = _stems(str(reading.expected(transcript, "text", self.text)))
        if not reference:
            return Score.unscored("no reference text: write it under 'text'")
        return reading.on_reply(transcript, lambda reply, _: _judge(reply, reference))


def _judge(reply: str, reference: frozenset[str]) -> Score:
    content = [w[:6] for w in reading.words(reply) if w not in lexicon.STOPWORDS["en"]]
    if not content:
        return Score(value=0.0, reason="no content words")
    return Score(value=sum(w in reference for w in content) / len(content))


@functools.lru_cache(maxsize=256)
def _stems(reference: str) -> frozenset[str]:
    return frozenset(w[:6] for w in reading.words(reference) if w not in lexicon.STOPWORDS["en"])
