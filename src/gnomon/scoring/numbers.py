"""Numbers and sums of money as people write them: digits with separators, number words, a currency on either side.

It converts no currency into another. Number words are English only.
Units: the value is in the currency's main unit; offsets are characters of the given text.
"""

import re
from collections.abc import Iterator, Sequence


def _list(text: str) -> list[str]:
    return text.split()


_ONES = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
_SCALE = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000, "grand": 1_000}
_VALUE = {w: i for i, w in enumerate(_ONES)} | {w: 10 * i for i, w in enumerate(_TENS, start=2)}
_NUMBER_WORD = "|".join(sorted([*_VALUE, "hundred", *_SCALE, "dozen"], key=len, reverse=True))
WORDED = re.compile(rf"\b(?:an?[ -])?(?:{_NUMBER_WORD})\b(?:(?:[ -]|, | and )(?:{_NUMBER_WORD})\b)*", re.IGNORECASE)
DIGITS = re.compile(r"(?<![\w.,])\d+(?:[.,' ]\d{3}(?!\d))*(?:[.,]\d+)?(?!\d)")
_MULTIPLIER = re.compile(r"(k|m|thousand|million|grand)\b", re.IGNORECASE)

CURRENCIES = tuple(
    _list(
        "€ $ £ ¥ ₹ eur usd gbp chf jpy inr euro euros dollar dollars pound pounds franc francs yen rupee rupees"
        " buck bucks quid"
    )
)


def parse_digits(text: str) -> float:
    """A number with either convention of separators.

    >>> [parse_digits(t) for t in ("1.500,00", "1,500.00", "1 500", "12.5", "1,500", "0.25")]
    [1500.0, 1500.0, 1500.0, 12.5, 1500.0, 0.25]
    """
    text = text.replace(" ", "").replace("'", "").strip(".,")
    last = max(text.rfind("."), text.rfind(","))
    if last < 0:
        return float(text)
    tail, marks = text[last + 1 :], {c for c in text if c in ".,"}
    head = text[:last].replace(".", "").replace(",", "")
    thousands = len(tail) == 3 and (len(marks) == 1) and head not in ("", "0")
    return float(head + tail) if thousands else float(f"{head or '0'}.{tail or '0'}")


def parse_words(text: str) -> float:
    """A number written as words.

    >>> [parse_words(t) for t in ("two hundred", "a thousand", "one hundred and twenty-five", "two dozen")]
    [200.0, 1000.0, 125.0, 24.0]
    """
    total = group = 0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in ("a", "an"):
            group = group or 1
        elif word in _VALUE:
            group += _VALUE[word]
        elif word == "hundred":
            group = (group or 1) * 100
        elif word == "dozen":
            group = (group or 1) * 12
        elif word in _SCALE:
            total, group = total + (group or 1) * _SCALE[word], 0
    return float(total + group)


def numerals(text: str) -> Iterator[tuple[int, int, float]]:
    """Every number in digits or words: start, end, value."""
    for match in DIGITS.finditer(text):
        end, value = match.end(), parse_digits(match.group())
        gap = 1 if text[end : end + 1] == " " else 0
        if scale := _MULTIPLIER.match(text, end + gap):
            word = scale.group().lower()
            if word not in ("k", "m") or not gap:
                value, end = value * {"k": 1e3, "m": 1e6}.get(word, _SCALE.get(word, 1)), scale.end()
        yield match.start(), end, value
    for match in WORDED.finditer(text):
        yield match.start(), match.end(), parse_words(match.group())


def amounts(text: str, currencies: Sequence[str]) -> list[tuple[int, int, float, str]]:
    """Numbers in order: start, end (both with the currency), value, and the currency or the empty string."""
    unit = "|".join(re.escape(c) for c in sorted(currencies, key=len, reverse=True))
    before = re.compile(rf"(?:(?<=\s)|^|(?<=[(\"'*]))(?:{unit})\s?$", re.IGNORECASE)
    after = re.compile(rf"(?:\s|-|)(?:{unit})(?!\w)", re.IGNORECASE)
    out = []
    for start, end, value in numerals(text):
        currency = ""
        if right := after.match(text, end):
            currency, end = right.group().strip(" -"), right.end()
        elif left := before.search(text[max(0, start - 12) : start]):
            currency, start = left.group().strip(), max(0, start - 12) + left.start()
        out.append((start, end, value, currency))
    return sorted(out)
