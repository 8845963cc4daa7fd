"""Embedding inversion: what text does a vector come from, if the embedder can be asked about other texts?

A hypothesis grows word by word, the best few kept, and is then corrected: words are exchanged, moved, put in or left
out as long as its own vector comes nearer. Words to try are those whose vectors lie towards the target, and those
towards what the hypothesis still lacks of it. Nothing is trained. Order is recovered far less than words.
`nearest` and `pursuit` are the closed forms for a plain table of vectors: a token's own, and the sum of several.
Source: Morris et al., "Text Embeddings Reveal (Almost) As Much As Text" (arXiv 2310.06816): hypothesis and correction
with the embedder as oracle; orthogonal matching pursuit: Pati, Rezaiifar, Krishnaprasad 1993.
Departs: a search over words stands where vec2text has a trained model, so it is weaker. Shapes: `D` size, `W` words.
Units: cosine; the cost is counted in texts that were embedded. Fails: open; with its calls spent it gives what it has.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError, SettingsError
from gnomon.core.seeds import generator

Array = NDArray[np.float64]
ROWS = 64
"""Vectors that are compared with a table at once."""
Embed = Callable[[Sequence[str]], Array]
"""Unit vectors of texts."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How much is tried."""

    calls: int = 2000
    """Most texts that are embedded for one target."""
    shortlist: int = 48
    """Words that a hypothesis may be continued with."""
    beam: int = 3
    """Hypotheses that are kept while they grow."""
    moves: int = 96
    """Corrections that are tried at once; the best is taken."""
    longest: int = 24
    """Most words of a hypothesis."""

    def __post_init__(self) -> None:
        if min(self.calls, self.shortlist, self.beam, self.moves, self.longest) < 1:
            raise SettingsError("inversion: calls, shortlist, beam, moves and longest begin at 1")


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """The best hypothesis."""

    text: str
    cosine: float
    calls: int


@dataclass
class _Asked:
    """The oracle, and what it has cost."""

    embed: Embed
    target_D: Array
    left: int
    spent: int = 0

    def cosines(self, texts: Sequence[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], Array, Array]:
        """Of as many texts as may still be asked, how near they come, and their vectors."""
        asked = list(texts)[: self.left]
        if not asked:
            return [], np.zeros(0), np.zeros((0, len(self.target_D)))
        vectors = self.embed([" ".join(t) for t in asked])
        self.left -= len(asked)
        self.spent += len(asked)
        return asked, vectors @ self.target_D, vectors


def invert(
    target_D: Array, embed: Embed, *, words: Sequence[str], word_WD: Array, search: Search = Search(), seed: int = 0
) -> Inverted:
    """The text of these words whose vector comes nearest; `word_WD` holds the words' own vectors."""
    if len(words) != len(word_WD) or not len(words):
        raise DataError(f"{len(words)} words, {len(word_WD)} vectors; give one to each, and at least one")
    asked = _Asked(embed, np.asarray(target_D, dtype=float), search.calls)
    draws = generator(seed, "inversion")
    best, near, vector_D = _grown(asked, words, word_WD, search)
    while asked.left:
        towards = asked.target_D - near * vector_D
        tried = _moves(best, _listed(towards, words, word_WD, search), search, draws)
        texts, cosines, vectors = asked.cosines(tried)
        if not texts:
            break
        first = int(cosines.argmax())
        if cosines[first] > near:
            best, near, vector_D = texts[first], float(cosines[first]), vectors[first]
    return Inverted(text=" ".join(best), cosine=near, calls=asked.spent)


def recovered(truth: str, found: str) -> float:
    """Share of the true text's words that stand in the other, each as often as it does; order is not looked at."""
    wanted, have = Counter(_words(truth)), Counter(_words(found))
    size = sum(wanted.values())
    if not size:
        raise DataError("the true text has no word")
    return sum((wanted & have).values()) / size


def nearest(vector_TD: Array, table_VD: Array) -> list[int]:
    """For each vector the row of a table at the least distance: exact for rows themselves."""
    square_V = (table_VD**2).sum(1)
    found: list[int] = []
    for at in range(0, len(vector_TD), ROWS):
        found += (square_V - 2 * (np.asarray(vector_TD)[at : at + ROWS] @ table_VD.T)).argmin(1).tolist()
    return found


def pursuit(total_D: Array, table_VD: Array, count: int) -> list[int]:
    """Rows of a table whose sum a vector is: the best next row, all weights fitted anew, so many times."""
    unit_VD = table_VD / np.maximum(np.linalg.norm(table_VD, axis=1, keepdims=True), 1e-12)
    chosen: list[int] = []
    left_D = np.asarray(total_D, dtype=float)
    for _ in range(count):
        fit_V = np.abs(unit_VD @ left_D)
        fit_V[chosen] = -1.0
        chosen.append(int(fit_V.argmax()))
        weight, *_ = np.linalg.lstsq(table_VD[chosen].T, total_D, rcond=None)
        left_D = total_D - table_VD[chosen].T @ weight
    return chosen


def _grown(asked: _Asked, words: Sequence[str], word_WD: Array, search: Search) -> tuple[tuple[str, ...], float, Array]:
    """Hypotheses made longer while that helps, on at most half of the calls."""
    most = asked.left // 2
    beam: list[tuple[tuple[str, ...], float, Array]] = []
    single = _listed(asked.target_D, words, word_WD, search)
    texts, cosines, vectors = asked.cosines([(w,) for w in single])
    beam = sorted(zip(texts, cosines.tolist(), vectors, strict=True), key=lambda h: -h[1])[: search.beam]
    while asked.spent < most and len(beam[0][0]) < search.longest:
        tried: dict[tuple[str, ...], None] = {}
        for text, near, vector_D in beam:
            follow = _listed(asked.target_D - near * vector_D, words, word_WD, search)
            tried |= dict.fromkeys((*text, w) for w in follow)
        texts, cosines, vectors = asked.cosines(list(tried))
        grown = sorted(zip(texts, cosines.tolist(), vectors, strict=True), key=lambda h: -h[1])[: search.beam]
        if not grown or grown[0][1] <= beam[0][1]:
            break
        beam = grown
    return beam[0]


def _listed(towards_D: Array, words: Sequence[str], word_WD: Array, search: Search) -> list[str]:
    """The words that lie most in a direction."""
    return [words[i] for i in np.argsort(-(word_WD @ towards_D), kind="stable")[: search.shortlist]]


def _moves(text: tuple[str, ...], listed: Sequence[str], search: Search, draws: random.Random) -> list[tuple[str, ...]]:
    """Texts one correction away, drawn at random, each once."""
    found: dict[tuple[str, ...], None] = {}
    for _ in range(4 * search.moves):
        if len(found) >= search.moves:
            break
        at, kind = draws.randrange(len(text)), draws.randrange(4)
        other = draws.choice(listed)
        rest = (*text[:at], *text[at + 1 :])
        if kind == 0:
            moved = (*text[:at], other, *text[at + 1 :])
        elif kind == 1 and len(text) < search.longest:
            to = draws.randrange(len(text) + 1)
            moved = (*text[:to], other, *text[to:])
        elif kind == 2 and rest:
            moved = rest
        else:
            to = draws.randrange(len(rest) + 1)
            moved = (*rest[:to], text[at], *rest[to:])
        if moved != text:
            found[moved] = None
    return list(found)


def _words(text: str) -> list[str]:
    return "".join(c.lower() if c.isalnum() else " " for c in text).split()
