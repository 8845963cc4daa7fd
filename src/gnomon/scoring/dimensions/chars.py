"""Shortness of the reply in characters: a cheap stand-in for brevity, meant to be optimised against and found out.

It is a proxy: the shortest text wins, whether it answers or not. The gold beside it should be `fact` and `length`.
Source: our own rule, exp(-characters / scale).
Units: the value is in [0, 1]; higher is shorter.
Fails: closed; no reply is unscored. EMPTY: 1, nothing is shorter.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import text

GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (({}, Transcript((Message("assistant", "Two years."),))),)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({}, Transcript((Message("assistant", "The warranty that comes with it lasts for two years."),))),
)
EMPTY = 1.0


@dataclass(frozen=True, kw_only=True)
class Chars:
    """Fewer characters are better."""

    scale: float = 200.0
    """Characters at which the value is 1/e = 0.37."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise SettingsError(f"chars: scale is {self.scale}; write a number of characters above 0")

    def score(self, *, transcript: Transcript) -> Score:
        return text.on_reply(transcript, lambda reply, _: Score(value=math.exp(-len(reply.strip()) / self.scale)))
