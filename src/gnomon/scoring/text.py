"""Reading a reply: its sentences and words with their places, and characters folded to one spelling.

It judges nothing and knows no language beyond word and sentence ends.
Source: Unicode TR15 (NFKC); TR39 for the idea of confusables (the table here is our own and small).
Units: offsets are characters of the original text, half open.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from gnomon.core.types import Json, Score, Span, Transcript

_SENTENCE = re.compile(r"[^.!?\n。！？]+(?:[.!?]+(?=[^\s\"')\]*])[^.!?\n。！？]*)*[.!?。！？]*[\"')\]*]*")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " "})

# Letters of other scripts that look like a Latin one, lower case; NFKC already covers full width and styled letters.
_CONFUSABLE = dict(
    zip("аеорсухіјѕԁԛԝһкмтвнгзьαβεικνορτυχγωηɑɡıⅼℓ", "aeopcyxijsdqwhkmtbhr3babeikvoptuxywnagill", strict=False)
)


def reply_index(transcript: Transcript) -> int | None:
    """Place of the reply among the messages, or None when the assistant did not speak last."""
    last = len(transcript.messages) - 1
    return last if last >= 0 and transcript.messages[last].role == "assistant" else None


def expected(transcript: Transcript, name: str, setting: Json) -> Json:
    """What this conversation expects under a setting's name, else the setting."""
    value = transcript.expect.get(name)
    return setting if value is None else value


def on_reply(transcript: Transcript, judge: Callable[[str, int], Score]) -> Score:
    """`judge(reply, message index)`, or unscored when there is no reply."""
    index = reply_index(transcript)
    if index is None:
        return Score.unscored("no reply: the last message is not the assistant's")
    return judge(transcript.messages[index].content, index)


def found(index: int, places: Sequence[tuple[int, int]], reason: str) -> Score:
    """1.0 with spans when there are places, else 0.0."""
    if not places:
        return Score(value=0.0)
    return Score(value=1.0, reason=reason, spans=tuple(Span(index, start, end) for start, end in places))


def plain(text: str) -> str:
    """Typographic apostrophes and spaces as ASCII; the length stays the same."""
    return text if text.isascii() else text.translate(_APOSTROPHES)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; a full stop inside a number or a name ends none."""
    for match in _SENTENCE.finditer(text):
        piece = match.group()
        if stripped := piece.strip():
            start = match.start() + piece.index(stripped[0])
            yield start, start + len(stripped)


def words(text: str) -> list[str]:
    """Words in lower case, apostrophes kept."""
    return _WORD.findall(plain(text).lower())


@functools.lru_cache(maxsize=8192)
def fold_character(character: str) -> str:
    """Zero or more lower-case characters that stand for this one."""
    if unicodedata.category(character) in ("Cf", "Mn", "Me", "Cc") and character not in "\n\t\r":
        return ""
    out = []
    for part in unicodedata.normalize("NFKD", character):
        if unicodedata.category(part) not in ("Mn", "Me", "Cf"):
            low = part.lower()
            out.append(_CONFUSABLE.get(low, low))
    return "".join(out)


def fold(text: str) -> tuple[str, Sequence[int]]:
    """The text in one spelling (case, width, accents, look-alikes), and each character's origin."""
    if text.isascii() and "\x00" not in text:
        return text.lower(), range(len(text))
    characters: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text):
        for part in fold_character(character):
            characters.append(part)
            origin.append(index)
    return "".join(characters), origin
