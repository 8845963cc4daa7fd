"""How polite or formal the reply is, by marker words: a cheap stand-in for tone.

It is a proxy: a rude sentence with "please" in it scores well.
Source: politeness markers after Danescu-Niculescu-Mizil et al. (2013, arXiv:1306.6078), shortened; formal and casual
lists are our own.
Units: the value is in [0, 1]; 0.5 is neutral, each marker moves it half of the way that is left.
Fails: closed; no reply is unscored. EMPTY: 0.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.scoring import text

_KIND = re.compile(
    r"\b(?:please|thank you|thanks|you're welcome|you are welcome|kindly|happy to|glad to|of course|"
    r"certainly|gladly|sorry|"
    r"apologi[sz]e|apologies|appreciate|i understand|feel free|good (?:morning|afternoon|evening)|"
    r"dear|my pleasure|best regards)\b"
)
_RUDE = re.compile(
    r"\b(?:stupid|idiot|dumb|shut up|whatever|duh|nonsense|ridiculous|stop bothering|obviously|not my "
    r"problem|go away|as i (?:already )?said|"
    r"damn|hell|crap|moron|none of your business)\b|!!+"
)
_FORMAL = re.compile(
    r"\b(?:therefore|furthermore|moreover|regarding|concerning|in accordance|hereby|sincerely|kindly|"
    r"please be advised|we regret|"
    r"would you|may i|shall|should you|dear (?:sir|madam|customer)|with regard to|cannot|do not|will "
    r"not|is not|yours faithfully)\b"
)
_CASUAL = re.compile(
    r"\b(?:hey|hi there|yeah|yep|nope|gonna|wanna|gotta|kinda|cool|awesome|guys|lol|btw|super|stuff|"
    r"totally|no worries|cheers|"
    r"can't|don't|won't|isn't|it's|that's)\b|[\U0001F300-\U0001FAFF]|:\)|!"
)

GOOD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({}, Transcript((Message("assistant", "Thank you for asking. I'm happy to help: it costs 349 euros."),))),
    ({"style": "formal"}, Transcript((Message("assistant", "Dear customer, we regret that it cannot be sent."),))),
    ({"style": "casual"}, Transcript((Message("assistant", "Hey, no worries, it's 349 euros!"),))),
)
BAD: tuple[tuple[dict[str, Json], Transcript], ...] = (
    ({}, Transcript((Message("assistant", "Obviously 349. That is not my problem."),))),
    ({"style": "formal"}, Transcript((Message("assistant", "Yeah nope, can't send it, guys!"),))),
    ({"style": "casual"}, Transcript((Message("assistant", "We regret that the parcel cannot be sent."),))),
)
EMPTY = 0.0


@dataclass(frozen=True, kw_only=True)
class Tone:
    """Markers of a tone in the reply."""

    style: Literal["polite", "formal", "casual"] = "polite"
    """The tone that is wanted."""

    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, *, transcript: Transcript) -> Score:
        style = str(text.expected(transcript, "style", self.style))
        return text.on_reply(transcript, lambda reply, _: _judge(reply, style))


def _judge(reply: str, style: str) -> Score:
    low = text.plain(reply).lower()
    if not low.strip():
        return Score(value=0.0, reason="the reply is empty")
    plus, minus = {"polite": (_KIND, _RUDE), "formal": (_FORMAL, _CASUAL)}.get(style, (_CASUAL, _FORMAL))
    moved = sum(1 for _ in plus.finditer(low)) - sum(1 for _ in minus.finditer(low))
    return Score(value=0.5 + (1 - 0.5 ** abs(moved)) / 2 * (1 if moved > 0 else -1))
