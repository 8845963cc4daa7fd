"""Texts that stand twice in a set, or in the training and the test set: exact and near duplicates, in every script.

It reads no files and drops nothing by itself. Of each text only its place and 528 bytes of signature are held.
Exact: equal in normal form. Near: estimated Jaccard similarity of the sets of character 5-grams of the normal form.
Source: MinHash: Broder 1997; bands: Leskovec, Mining of Massive Datasets, section 3.4; case folding: Unicode, 3.13.
Departs: similarity is read off the signatures, because the texts are gone: its standard error is sqrt(s(1-s)/128),
0.035 at the threshold of 0.8. Symbols are kept (5 + 3 is not 5 - 3 in disguise; emoji are text), punctuation is not.
Shapes: `N` texts, `P` permutations. Units: similarity from 0 to 1.
Fails: open; a rewording is no duplicate here. The measured recall by similarity is in the tests.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np

THRESHOLD = 0.8
GRAM = 5
PERMUTATIONS, BANDS = 128, 32
"""32 bands of 4: a pair of similarity 0.8 shares a band with probability 1 - (1 - 0.8^4)^32 = 0.99999999."""
CHUNK = 4096
"""5-grams, or texts, that are worked on at a time."""
MOST = 256
"""Texts of one bucket that a text is compared with; sets made from one template fill few buckets with thousands."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Match:
    """Two texts that are the same or nearly so."""

    one: str
    """Place of the later text, or of the one in the training set."""
    other: str
    """Place of the earlier text, or of the one in the test set."""
    similarity: float
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The signatures of a set of texts."""

    places: Sequence[str]
    digests: Sequence[bytes]
    signature_NP: Array
    first: dict[bytes, int] = field(repr=False)
    """Digest of a normal form to the first text that has it."""


def normal(text: str) -> str:
    """The text without what may differ between copies: case, width, accents' encoding, punctuation and spaces.

    Letters, marks, digits and symbols of every script stay.
    >>> normal("ＨＥＬＬＯ,  Straße！"), normal("你好，世界。"), normal("مرحبا؟")
    ('hello strasse', '你好 世界', 'مرحبا')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(map(_kept, folded)).split())


def duplicates(signed: Signed, *, threshold: float = THRESHOLD) -> list[Match]:
    """Each text that repeats an earlier one, beside the earlier text that it is most like."""
    distinct = np.array(sorted(signed.first.values()), dtype=np.int64)
    near_N, other_N = _nearest(signed.signature_NP[distinct], signed.signature_NP[distinct], earlier=True)
    near = {int(distinct[at]): (int(distinct[other_N[at]]), near_N[at]) for at in np.flatnonzero(near_N >= threshold)}
    same = {at: signed.first[digest] for at, digest in enumerate(signed.digests) if signed.first[digest] < at}
    return _matches(signed.places, signed.places, same, near)


def leakage(texts: Iterable[tuple[str, str]], test: Signed, *, threshold: float = THRESHOLD) -> Iterator[Match]:
    """Each training text (place, text) that is also in the test set, beside the test text that it is most like."""
    source = iter(texts)
    while part := list(islice(source, CHUNK)):
        train = sign(part)
        near_N, other_N = _nearest(train.signature_NP, test.signature_NP)
        near = {int(at): (int(other_N[at]), near_N[at]) for at in np.flatnonzero(near_N >= threshold)}
        same = {at: test.first[digest] for at, digest in enumerate(train.digests) if digest in test.first}
        yield from _matches(train.places, test.places, same, near)


def sign(texts: Iterable[tuple[str, str]]) -> Signed:
    """Signatures of (place, text) each; a text without letters, digits or symbols stands for itself."""
    places: list[str] = []
    digests: list[bytes] = []
    parts: list[Array] = []
    first: dict[bytes, int] = {}
    for at, (place, text) in enumerate(texts):
        key = normal(text) or text
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        seen = first.setdefault(digest, at)
        places.append(place)
        digests.append(digest)
        parts.append(_minhash(_grams(key)) if seen == at else parts[seen])
    stacked = np.array(parts, dtype=np.uint32) if parts else np.zeros((0, PERMUTATIONS), dtype=np.uint32)
    return Signed(places=places, digests=digests, signature_NP=stacked, first=first)


def similarity(one: str, other: str) -> float:
    """Exact Jaccard similarity of two texts' 5-grams, which the signatures estimate."""
    a, b = (set(_grams(normal(text) or text).tolist()) for text in (one, other))
    return len(a & b) / len(a | b)


@cache
def _kept(character: str) -> str:
    """A character in the normal form: itself, a space, or nothing for what is not seen."""
    category = unicodedata.category(character)
    # Joiners, directions and variation selectors change how a text looks, if at all, not what it says.
    if category == "Cf" or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return ""
    return character if category[0] in "LMNS" else " "


def _grams(text: str) -> Array:
    """Hashes of the 5-grams of a text (of the text itself if it is shorter), in every script by its code points."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(points) < GRAM:
        points = np.concatenate([points, np.zeros(GRAM - len(points), dtype=np.uint64)])
    mixed = np.zeros(len(points) - GRAM + 1, dtype=np.uint64)
    for at in range(GRAM):
        mixed = _mix(mixed * np.uint64(0x9E3779B97F4A7C15) + points[at : len(points) - GRAM + 1 + at] + np.uint64(1))
    return np.unique(mixed)


def _mix(value: Array) -> Array:
    """The finaliser of SplitMix64: every bit of the input moves every bit of the output."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = value ^ (value >> np.uint64(31))
    return mixed


_FACTORS_P, _OFFSETS_P = _mix(np.arange(1, 2 * PERMUTATIONS + 1, dtype=np.uint64)).reshape(2, PERMUTATIONS)


def _minhash(grams: Array) -> Array:
    """The least hash of the grams under each permutation: two texts agree in one with their Jaccard similarity."""
    least = np.full(PERMUTATIONS, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(grams), CHUNK):
        part = grams[start : start + CHUNK, None] * (_FACTORS_P | np.uint64(1)) + _OFFSETS_P
        least = np.minimum(least, (part >> np.uint64(32)).min(axis=0).astype(np.uint32))
    return least


def _nearest(one_NP: Array, other_NP: Array, *, earlier: bool = False) -> tuple[Array, Array]:
    """For each signature the best similarity to any other of one of its buckets (0: none), and which that is.

    `earlier`: both are the same set, and only what stands before a text counts.
    """
    best_N, which_N = np.zeros(len(one_NP)), np.zeros(len(one_NP), dtype=np.int64)
    for band in np.split(np.arange(PERMUTATIONS), BANDS):
        one_N, other_N = _bucket(one_NP[:, band]), _bucket(other_NP[:, band])
        order = np.argsort(other_N, kind="stable")
        low_N, high_N = (np.searchsorted(other_N, one_N, side=side, sorter=order) for side in ("left", "right"))
        for at in np.flatnonzero(high_N - low_N > earlier):
            rows = order[low_N[at] : min(high_N[at], low_N[at] + MOST)]
            rows = rows[rows < at] if earlier else rows
            if len(rows):
                alike = (other_NP[rows] == one_NP[at]).mean(axis=1)
                if alike.max() > best_N[at]:
                    best_N[at], which_N[at] = alike.max(), rows[alike.argmax()]
    return best_N, which_N


def _bucket(signature_NR: Array) -> Array:
    """One key for the rows of a band; what shares one by chance is told apart by its similarity."""
    key_N = np.zeros(len(signature_NR), dtype=np.uint64)
    for column_N in signature_NR.T:
        key_N = _mix(key_N + column_N + np.uint64(1))
    return key_N


def _matches(
    places: Sequence[str], others: Sequence[str], same: Mapping[int, int], near: Mapping[int, tuple[int, float]]
) -> list[Match]:
    found = [Match(places[at], others[other], 1.0, True) for at, other in same.items()]
    found += [
        Match(places[at], others[other], float(alike), False) for at, (other, alike) in near.items() if at not in same
    ]
    order = {place: at for at, place in enumerate(places)}
    return sorted(found, key=lambda match: order[match.one])
