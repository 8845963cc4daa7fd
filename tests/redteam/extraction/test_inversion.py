"""Embedding inversion: closed forms for tables, a bag of words got back whole, a stated cost that is kept."""

from collections.abc import Sequence

import numpy as np
import pytest

from gnomon.core.errors import DataError, SettingsError
from gnomon.redteam.extraction.inversion import Array, Search, invert, nearest, pursuit, recovered

WORDS = [f"{a}{b}{c}" for a in "bdfg" for b in "aeiou" for c in ("n", "rt", "sk", "lm", "x")]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 48))
PLACE = {word: i for i, word in enumerate(WORDS)}


class Bag:
    """An embedder that adds words' vectors, the earlier ones a little more; it counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, texts: Sequence[str]) -> Array:
        self.asked += len(texts)
        rows = [[TABLE[PLACE[w]] * (1 + 0.1 / (1 + i)) for i, w in enumerate(t.split())] for t in texts]
        total = np.array([np.sum(r, axis=0) for r in rows])
        return total / np.linalg.norm(total, axis=1, keepdims=True)


@pytest.mark.parametrize("size", [1, 3, 6])
def test_a_bag_of_words_is_got_back(size: int) -> None:
    text = " ".join(np.random.default_rng(size).choice(WORDS, size, replace=False))
    embed = Bag()
    target = embed([text])[0]
    vectors = embed(WORDS)
    embed.asked = 0
    found = invert(target, embed, words=WORDS, word_WD=vectors, search=Search(calls=2500), seed=1)
    assert recovered(text, found.text) == 1.0
    assert found.cosine > 0.99
    assert found.calls == embed.asked <= 2500
    again = invert(target, Bag(), words=WORDS, word_WD=vectors, search=Search(calls=2500), seed=1)
    assert again == found, "the same seed asks the same"


@pytest.mark.parametrize("calls", [1, 7, 100])
def test_the_cost_is_kept_and_more_calls_come_no_farther(calls: int) -> None:
    embed = Bag()
    target, vectors = embed(["ban dert fisk golm bax"])[0], embed(WORDS)
    embed.asked = 0
    found = invert(target, embed, words=WORDS, word_WD=vectors, search=Search(calls=calls))
    assert found.calls == embed.asked <= calls
    more = invert(target, embed, words=WORDS, word_WD=vectors, search=Search(calls=calls * 4))
    assert more.cosine >= found.cosine - 1e-9 or calls < 100


def test_a_tables_own_rows_are_found_also_under_noise() -> None:
    ids = [3, 99, 3, 42]
    assert nearest(TABLE[ids], TABLE) == ids
    noise = np.random.default_rng(1).normal(scale=0.1, size=(4, 48))
    assert nearest(TABLE[ids] + noise, TABLE) == ids


def test_a_sum_is_taken_apart() -> None:
    ids = [5, 17, 60, 81]
    assert sorted(pursuit(TABLE[ids].sum(0), TABLE, 4)) == ids
    assert sorted(pursuit(TABLE[ids].mean(0), TABLE, 4)) == ids, "the mean of several is their sum at another length"


def test_recovery_counts_words_as_often_as_they_stand() -> None:
    assert recovered("The cat, the hat.", "the CAT sat") == 0.5
    assert recovered("a b", "b a") == 1.0
    with pytest.raises(DataError, match="no word"):
        recovered("...", "a")


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(DataError, match="one to each"):
        invert(TABLE[0], Bag(), words=["ban"], word_WD=TABLE)
    with pytest.raises(SettingsError, match="begin at 1"):
        Search(calls=0)
