"""1 when the reply says that it does not know, or that what was asked is not among what it was given.

A refusal ("I can't help with that") is not an abstention. Rules in English.
Source: our own rules; the distinction follows SimpleQA's "not attempted" (Wei et al. 2024, arXiv:2411.04368).
Units: 1 abstains, 0 does not; a guess with a number after it is 0 unless `hedged`.
Fails: closed; no reply is unscored. EMPTY: 0, an empty reply does not say so.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import numbers, text

_NOT = (
    r"(?:don't|do not|doesn't|does not|didn't|did not|can't|cannot|couldn't|could not|haven't|have not|"
    r"isn't|is not|not)"
)
_KNOW = re.compile(
    rf"\b(?:(?:i|we)(?:'m| am|'re| are)? (?:\w+ )?{_NOT} (?:\w+ ){{0,2}}?(?:know|sure|certain|aware|"
    rf"find|have (?:\w+ ){{0,3}}?"
    r"(?:information|details?|data|access|record|figure|answer|that|knowledge)|say for (?:sure|"
    r"certain)|tell (?:for sure|from)|"
    r"see (?:that|this|it) (?:on|in)|confirm (?:that|this|it)|been (?:given|told))"
    r"|(?:i|we) (?:have|was given|were given|can find|could find) no (?:\w+ ){0,2}?(?:information|"
    r"details?|data|record|answer|idea|knowledge)"
    r"|(?:i|we) lack (?:\w+ ){0,2}?information|no idea\b|(?:i'm|i am|we're|we are) (?:unsure|uncertain|unaware)"
    r"|(?:n't|not) (?:\w+ )?(?:on|in|part of|included in|available in|covered (?:by|in)|found (?:on|"
    r"in)|appear (?:on|in)) (?:my|the|"
    r"our|this|any of the) (?:\w+ )?(?:sheet|facts?|information|list|documents?|notes?|data|records?)"
    r"|(?:isn't|aren't|wasn't|not) (?:\w+ )?(?:listed|mentioned|stated|specified|given to me)"
    r"|(?:sheet|facts|information|list|documents?|notes?) (?:\w+ )?(?:doesn't|does not|don't|do not) "
    r"(?:\w+ )?(?:say|mention|state|"
    r"specify|list|cover|include|tell)"
    r"|(?:no|isn't any|is not any) information (?:about|on|regarding)|beyond (?:my|the) "
    r"(?:information|knowledge|sheet)"
    r"|(?:isn't|is not|not) (?:known|clear) (?:to me|to us|from))\b"
)
_ASSERTS = re.compile(r"\b(?:but|however|probably|likely|i think|i believe|i guess|usually|it should|typically)\b")

_ASK = Message("user", "How much does the blender weigh?")
GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({}, Transcript((_ASK, Message("assistant", "I don't know, the weight is not on my sheet.")))),
    ({}, Transcript((_ASK, Message("assistant", "Sorry, I have no information about that.")))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({}, Transcript((_ASK, Message("assistant", "It weighs 3.2 kilograms.")))),
    ({}, Transcript((_ASK, Message("assistant", "I'm not sure, but it probably weighs 3 kilograms.")))),
)
EMPTY = 0.0


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """A reply that says it does not know."""

    hedged: bool = False
    """Whether a guess after the abstention ("but it is probably 3") is still an abstention."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, *, transcript: Transcript) -> Score:
        return text.on_reply(transcript, self._judge)

    def _judge(self, reply: str, index: int) -> Score:
        low = text.plain(reply).lower()
        for start, end in text.sentences(low):
            match = _KNOW.search(low[start:end])
            if not match:
                continue
            rest = low[start + match.end() :]
            guess = _ASSERTS.search(rest)
            if guess and not self.hedged and any(True for _ in numbers.numerals(rest[guess.start() :])):
                return Score(value=0.0, reason="says that it does not know, then guesses")
            return text.found(index, [(start, end)], "says that it does not know")
        return Score(value=0.0)
