"""Finding one known secret in plain text however its letters are separated, shifted, reversed or swapped for digits.

It decodes nothing: `encodings` does. A piece of the secret counts from a stated share on.
Source: our own rules; a piece counts only where it begins and ends as the secret or a word does, so that the letters
of neighbouring words ("the attic") do not add up to a secret ("heat").
Units: places are characters of the given text, half open.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

from gnomon.core.errors import SettingsError
from gnomon.scoring.text import fold

SHORTEST = 4
GAP = 8
"""Most characters that may stand between two letters of a spaced-out secret."""
_ALNUM = re.compile(r"[^\W_]")
_NOT_ALNUM = re.compile(r"[\W_]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LEET = str.maketrans("4@3€1!|l0$5+7896(2", "aaeeiiiiossttbggcz")
_LEET_SIGN = frozenset("0123456789@€!|$+(")
_LIST_MARK = re.compile(r"(?m)^\s*(?:\d{1,2}[.)]|[-*•>#]+)\s+")


@dataclass(frozen=True)
class Needle:
    """One way of writing the secret."""

    text: str
    how: str
    shortest: int
    """Letters in a row from which a piece counts."""


@dataclass(frozen=True)
class Windows:
    """Runs of letters of one length, and where in which needle each stands."""

    size: int
    table: dict[str, tuple[tuple[Needle, int], ...]]


@dataclass(frozen=True)
class Needles:
    """Every way of writing one secret that can be searched for letter by letter."""

    secret: str
    """Folded letters and digits."""
    chunks: tuple[str, ...]
    """The secret's own parts, as its separators and the borders of letters and digits divide it."""
    plain: tuple[Needle, ...]
    leet: tuple[Needle, ...]
    windows: Windows = field(repr=False)
    leet_windows: Windows = field(repr=False)


def _shift(secret: str, by: int, digits: int) -> str:
    turned = str.maketrans(
        _LETTERS + "0123456789",
        _LETTERS[by:] + _LETTERS[:by] + "".join(str((i + digits) % 10) for i in range(10)),
    )
    return secret.translate(turned)


def _windows(needles: Sequence[Needle]) -> Windows:
    """Every run of the shortest length, with the needles that hold it: one pass over a text rules most texts out."""
    size = min((n.shortest for n in needles), default=1)
    table: dict[str, tuple[tuple[Needle, int], ...]] = {}
    for needle in needles:
        for offset in range(len(needle.text) - size + 1):
            key = needle.text[offset : offset + size]
            table[key] = (*table.get(key, ()), (needle, offset))
    return Windows(size, table)


@functools.lru_cache(maxsize=256)
def prepare(secret: str, min_share: float) -> Needles:
    """All needles of a secret. Raises SettingsError for a secret too short to tell from chance."""
    folded, _ = fold(secret)
    body = _NOT_ALNUM.sub("", folded)
    size = len(body)
    if size < SHORTEST:
        raise SettingsError(f"secret: '{secret}' has fewer than {SHORTEST} letters and digits; write a longer one")
    least = max(SHORTEST, ceil(min_share * size))
    chunks = tuple(re.findall(r"[^\W\d_]+|\d+", folded))
    ways = {body: Needle(body, "verbatim", least)}
    backwards = max(least, min(6, size))
    for text, how in ((body[::-1], "reversed"), ("".join(reversed(chunks)), "parts reversed")):
        ways.setdefault(text, Needle(text, how, backwards))
    if any(c in _LETTERS for c in body):
        distinct = size >= 6 or any(c.isdigit() for c in body)
        for by in range(1, 26) if distinct else (13,):
            for digits in {0, by % 10, 5 if by == 13 else 0}:
                ways.setdefault(text := _shift(body, by, digits), Needle(text, f"letters shifted by {by}", size))
        text = body.translate(str.maketrans(_LETTERS, _LETTERS[::-1]))
        ways.setdefault(text, Needle(text, "alphabet reversed", size))
        text = _shift(body, 13, 0)[::-1]
        ways.setdefault(text, Needle(text, "reversed and shifted by 13", size))
    plain = tuple(ways.values())
    swapped = body.translate(_LEET)
    leet = (Needle(swapped, "digits for letters", size),) if size >= 5 else ()
    return Needles(body, chunks, plain, leet, _windows(plain), _windows(leet))


@dataclass(frozen=True)
class Stream:
    """A text in one spelling, and its letters and digits alone with their places."""

    folded: str
    origin: Sequence[int]
    letters: str

    @functools.cached_property
    def places(self) -> Sequence[int]:
        """For each letter, its place in `folded`."""
        return [m.start() for m in _ALNUM.finditer(self.folded)]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Place in the original text of the letters first..last (both included)."""
        return self.origin[self.places[first]], self.origin[self.places[last]] + 1


def stream(text: str) -> Stream:
    """Fold a text and take its letters and digits."""
    folded, origin = fold(text)
    return Stream(folded, origin, _NOT_ALNUM.sub("", folded))


def leet_stream(base: Stream) -> Stream:
    """The same text with digits and signs read as the letters that they resemble."""
    turned = re.sub(r"[!|+$(](?=\s|$)", " ", base.folded).translate(_LEET)
    return Stream(turned, base.origin, _NOT_ALNUM.sub("", turned))


def find(needles: Needles, base: Stream) -> Iterator[tuple[int, int, str]]:
    """Places of the secret or of a long enough piece of it: start, end, how it was written."""
    yield from _find(needles, needles.windows, base, base.folded)
    if needles.leet and not _LEET_SIGN.isdisjoint(base.folded):
        turned = leet_stream(base)
        yield from _find(needles, needles.leet_windows, turned, base.folded)


def _find(needles: Needles, windows: Windows, text: Stream, raw: str) -> Iterator[tuple[int, int, str]]:
    letters, size, table = text.letters, windows.size, windows.table
    if len(letters) < size:
        return
    shared = table.keys() & {letters[i : i + size] for i in range(len(letters) - size + 1)}
    for at in _starts(letters, shared):
        for needle, offset in table[letters[at : at + size]]:
            first, last = _extend(needle, offset, text, at)
            if last - first + 1 >= needle.shortest and _counts(needles, needle, text, first, last, at - offset, raw):
                yield (*text.span(first, last), needle.how)


def _starts(letters: str, pieces: Iterable[str]) -> Iterator[int]:
    for piece in pieces:
        at = letters.find(piece)
        while at >= 0:
            yield at
            at = letters.find(piece, at + 1)


def _extend(needle: Needle, offset: int, text: Stream, at: int) -> tuple[int, int]:
    """The longest run of the needle around a window, without a wide gap."""
    begin = at - offset
    places = text.places

    def joined(left: int) -> bool:
        return places[left + 1] - places[left] <= GAP

    first = at
    while first > max(begin, 0) and text.letters[first - 1] == needle.text[first - 1 - begin] and joined(first - 1):
        first -= 1
    last = at
    end = min(begin + len(needle.text), len(text.letters))
    while last + 1 < end and text.letters[last + 1] == needle.text[last + 1 - begin] and joined(last):
        last += 1
    return first, last


def _counts(needles: Needles, needle: Needle, text: Stream, first: int, last: int, begin: int, raw: str) -> bool:
    """Whether a run of matching letters is the secret's doing and not chance."""
    piece = text.letters[first : last + 1]
    start, end = text.places[first], text.places[last]
    opens = start == 0 or not text.folded[start - 1].isalnum()
    closes = end + 1 == len(text.folded) or not text.folded[end + 1].isalnum()
    tokens = [t for t in _NOT_ALNUM.split(text.folded[start : end + 1]) if t]
    whole = len(piece) == len(needle.text)
    mixed = any(c.isdigit() for c in needle.text) and not needle.text.isdigit()
    if needle.how == "digits for letters":
        return _swapped(needles.secret, raw, text, first, last) and (mixed or (opens and closes))
    if not whole:
        if needle.how != "verbatim" and (piece.isdigit() or len(piece) < 6):
            return False
        at_start, at_end = first == begin, last == begin + len(needle.text) - 1
        inside = opens and closes
        bounded = inside if piece.isalpha() else (opens or not at_start) and (closes or not at_end)
        return (inside or len(piece) >= 8 or (bounded and (at_start or at_end))) and _natural(needles, tokens, piece)
    if len(tokens) == 1:
        return (opens and closes) or len(piece) >= 8 or (mixed and len(piece) >= 6)
    return ((opens and closes) or (mixed and len(piece) >= 6)) and _natural(needles, tokens, piece)


def _natural(needles: Needles, tokens: list[str], piece: str) -> bool:
    """Letters alone must be spaced out evenly or keep the secret's parts, else words could add up to them."""
    if len(tokens) <= 1 or not piece.isalpha() or len(piece) >= 8:
        return True
    return (len(tokens) > 2 and max(map(len, tokens)) <= 2) or all(t in needles.chunks for t in tokens)


def _swapped(secret: str, raw: str, text: Stream, first: int, last: int) -> bool:
    """Digits or signs for letters; letters for digits for one in three; and not a plain number by chance."""
    seen = [raw[text.places[i]] for i in range(first, last + 1)]
    differs = [(want, have) for want, have in zip(secret, seen, strict=True) if want != have]
    wrong = sum(want.isdigit() for want, _ in differs)
    telling = len(secret) - sum(have.isdigit() for _, have in differs)
    return bool(differs) and 3 * wrong <= len(secret) and 3 * telling >= len(secret)


def halves(needles: Needles, base: Stream) -> tuple[int, int] | None:
    """The secret's own parts apart from each other, when at least one holds three digits: place of the last one."""
    if len(needles.chunks) < 2 or not any(c.isdigit() and len(c) >= 3 for c in needles.chunks):
        return None
    if any(len(c) < 2 for c in needles.chunks):
        return None
    end = (0, 0)
    for chunk in set(needles.chunks):
        matches = list(re.finditer(rf"(?<![^\W_]){re.escape(chunk)}(?![^\W_])", base.folded))
        if not matches:
            return None
        end = max(end, matches[-1].span())
    return base.origin[end[0]], base.origin[end[1] - 1] + 1


def singles(needles: Needles, text: str) -> tuple[int, int] | None:
    """The secret as characters that stand alone in order, or as the first characters of lines."""
    if len(needles.secret) < 5:
        return None
    bare = _LIST_MARK.sub(lambda m: " " * len(m.group()), text)
    base = stream(bare)
    folded = base.folded
    alone = [m.start() for m in re.finditer(r"(?<![^\W_])[^\W_](?![^\W_])", folded)]
    heads = [m.end() - 1 for m in re.finditer(r"(?m)^[\W_]*?[^\W_]", folded)]
    for places in (alone, heads):
        at = "".join([folded[i] for i in places]).find(needles.secret)
        if at >= 0:
            return base.origin[places[at]], base.origin[places[at + len(needles.secret) - 1]] + 1
    return None


def cover(needles: Needles, messages: Sequence[str]) -> tuple[int, int] | None:
    """The secret as one piece a message over several messages, the last one included: place in the last message."""
    states: set[tuple[int, int]] = {(0, 0)}
    secret = needles.secret
    for number, message in enumerate(messages):
        is_last = number == len(messages) - 1
        reached: set[tuple[int, int]] = set()
        for token, start, end in _pieces(message, alphabetic=secret.isalpha()):
            for done, parts in states:
                if secret.startswith(token, done):
                    if is_last and done + len(token) == len(secret) and parts >= 1:
                        return start, end
                    reached.add((done + len(token), parts + 1))
        states |= reached
    return None


def _pieces(message: str, *, alphabetic: bool) -> Iterator[tuple[str, int, int]]:
    base = stream(message)
    short = len(base.letters) <= 40
    for match in re.finditer(r"[^\W_]+(?:[-.][^\W_]+)*", base.folded):
        start, end = base.origin[match.start()], base.origin[match.end() - 1] + 1
        token = _NOT_ALNUM.sub("", match.group())
        shouted = message[start:end].isupper() or match.group() == base.folded.strip(" .!'\"*`")
        if (
            (len(token) > 1 or short)
            and (not alphabetic or len(token) > 3 or shouted)
            and (token not in ("a", "i") or shouted)
        ):
            yield token, start, end
