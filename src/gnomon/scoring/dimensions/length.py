"""How well the reply's number of words fits its bounds: 1 inside, falling linearly to 0 outside.

It judges no content; an empty reply is 0 unless `min_words` is 0.
Source: our own rule.
Units: words; the value is in [0, 1].
Fails: closed; no reply is unscored, bounds that exclude everything raise SettingsError. EMPTY: 0.
"""

from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import text

GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"max_words": 10}, Transcript((Message("assistant", "The warranty is two years."),))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({"max_words": 10}, Transcript((Message("assistant", "Well, as you may know, " * 4 + "it is two years."),))),
)
EMPTY = 0.0


@dataclass(frozen=True, kw_only=True)
class Length:
    """Words of the reply against bounds."""

    max_words: int
    """Most words at which the value is still 1."""
    min_words: int = 1
    """Fewest words at which the value is 1."""
    soft: float = 1.0
    """How far beyond `max_words` the value reaches 0, as a share of `max_words`; 0 = at once."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words or self.max_words < 1 or self.soft < 0:
            raise SettingsError(
                f"length: min_words={self.min_words}, max_words={self.max_words}, soft={self.soft};"
                " write 0 <= min_words <= max_words, 1 <= max_words, 0 <= soft"
            )

    def score(self, *, transcript: Transcript) -> Score:
        most = int(text.expected(transcript, "max_words", self.max_words))
        least = min(int(text.expected(transcript, "min_words", self.min_words)), most)
        return text.on_reply(transcript, lambda reply, _: self._judge(len(text.words(reply)), least, most))

    def _judge(self, count: int, least: int, most: int) -> Score:
        if count < least:
            return Score(value=count / least, reason=f"{count} words, fewer than {least}")
        if count <= most:
            return Score(value=1.0)
        over = (count - most) / (self.soft * most) if self.soft else 1.0
        return Score(value=max(0.0, 1.0 - over), reason=f"{count} words, more than {most}")
