"""Verbatim training data in what a model says: sample much, rank, drop what repeats, look each up in the training data.

`Index` finds every run of `length` tokens that text shares with a corpus: exact, as each hit of the hashes is compared
token by token. Where the training data are not to be had the ranked list is all there is, and proves nothing.
Source: Carlini et al., "Extracting Training Data" (arXiv 2012.07805) section 5: scores and deduplication by trigrams;
Nasr et al., "Scalable Extraction" (arXiv 2311.17035) section 3: a run of 50 tokens in the training data counts.
Departs: a sorted table of hashes of all runs of one length instead of a suffix array; it needs 16 bytes a token.
Units: tokens. Fails: closed; a corpus without a run of that length is a DataError.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError, SettingsError

LENGTH = 50
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BREAK = -1
"""Stands between two documents; no text holds it."""


@dataclass(frozen=True)
class Match:
    """The longest run that a text shares with the corpus."""

    tokens: int
    """0: none as long as was asked."""
    at: int = 0
    """Where it begins in the text."""
    document: int = -1
    """The first document of the corpus that holds its beginning."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """All runs of one length in a corpus, to be looked up."""

    length: int
    documents: int
    tokens_N: NDArray[np.int64] = field(repr=False)
    """The corpus, with a break behind each document."""
    start_D: NDArray[np.int64] = field(repr=False)
    hash_R: NDArray[np.uint64] = field(repr=False)
    """Sorted, one a run."""
    place_R: NDArray[np.int64] = field(repr=False)

    def longest(self, tokens: Sequence[int]) -> Match:
        """The longest run of at least `length` tokens that stands in the corpus too."""
        text_T = np.asarray(tokens, dtype=np.int64)
        best = Match(0)
        if len(text_T) < self.length:
            return best
        for at, value in enumerate(_hashes(text_T, self.length)):
            for place in self._places(value):
                if at and place and text_T[at - 1] == self.tokens_N[place - 1]:
                    continue  # the rest of a run that was seen from its beginning
                size = self._common(text_T, at, place)
                if size >= self.length and size > best.tokens:
                    best = Match(size, at, int(np.searchsorted(self.start_D, place, "right")) - 1)
        return best

    def _places(self, value: np.uint64) -> NDArray[np.int64]:
        first, last = np.searchsorted(self.hash_R, value, "left"), np.searchsorted(self.hash_R, value, "right")
        return self.place_R[first:last]

    def _common(self, text_T: NDArray[np.int64], at: int, place: int) -> int:
        most = min(len(text_T) - at, len(self.tokens_N) - place)
        differ = np.flatnonzero(text_T[at : at + most] != self.tokens_N[place : place + most])
        return int(differ[0]) if len(differ) else most


def index(documents: Iterable[Sequence[int]], *, length: int = LENGTH) -> Index:
    """Index documents, given as tokens."""
    if length < 1:
        raise SettingsError(f"a run of {length} tokens is none; write 1 or more")
    parts: list[NDArray[np.int64]] = []
    starts, at = [], 0
    for document in documents:
        starts.append(at)
        parts.append(np.append(np.asarray(document, dtype=np.int64), _BREAK))
        at += len(document) + 1
    tokens_N = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    if len(tokens_N) <= length:
        raise DataError(f"the corpus holds no run of {length} tokens; name more of it, or a shorter run")
    hash_R = _hashes(tokens_N, length)
    place_R = np.arange(len(hash_R))
    whole = _whole(tokens_N, length)
    hash_R, place_R = hash_R[whole], place_R[whole]
    if not len(hash_R):
        raise DataError(f"no document of the corpus has {length} tokens; name others, or a shorter run")
    order = np.argsort(hash_R, kind="stable")
    return Index(
        length=length,
        documents=len(starts),
        tokens_N=tokens_N,
        start_D=np.array(starts),
        hash_R=hash_R[order],
        place_R=place_R[order],
    )


def distinct(texts: Sequence[Sequence[int]], *, share: float = 0.5) -> list[int]:
    """Places of texts of which no earlier kept one holds more than this share of the trigrams."""
    holders: dict[tuple[int, ...], list[int]] = {}
    kept = []
    for place, text in enumerate(texts):
        grams = {tuple(text[i : i + 3]) for i in range(max(1, len(text) - 2))}
        met: dict[int, int] = {}
        for gram in grams:
            for other in holders.get(gram, ()):
                met[other] = met.get(other, 0) + 1
        if max(met.values(), default=0) <= share * len(grams):
            kept.append(place)
            for gram in grams:
                holders.setdefault(gram, []).append(place)
    return kept


def ranked(scores: Sequence[float], among: Sequence[int]) -> list[int]:
    """These places, the highest score first; equal ones in their order."""
    return sorted(among, key=lambda place: -scores[place])


def _hashes(tokens_N: NDArray[np.int64], length: int) -> NDArray[np.uint64]:
    """A polynomial hash, modulo 2^64, of every run of this length."""
    mixed_N = (tokens_N.astype(np.uint64) + np.uint64(1)) * _FACTOR
    mixed_N ^= mixed_N >> np.uint64(29)
    found_R = np.zeros(len(tokens_N) - length + 1, dtype=np.uint64)
    for shift in range(length):
        found_R *= _FACTOR
        found_R += mixed_N[shift : shift + len(found_R)]
    return found_R


def _whole(tokens_N: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    """Which runs lie inside one document."""
    breaks_N = np.concatenate([[0], np.cumsum(tokens_N == _BREAK)])
    inside: NDArray[np.bool_] = breaks_N[length:] == breaks_N[: len(breaks_N) - length]
    return inside
