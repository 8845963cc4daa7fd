"""Verbatim runs: the index finds what a search letter by letter finds, no more and no less; what repeats is dropped."""

import random

import pytest

from gnomon.core.errors import DataError, SettingsError
from gnomon.redteam.extraction.corpus import distinct, index, ranked


def searched(text: list[int], documents: list[list[int]]) -> int:
    """The longest run in common, tried one by one."""
    best = 0
    for document in documents:
        for i in range(len(text)):
            for j in range(len(document)):
                size = 0
                while i + size < len(text) and j + size < len(document) and text[i + size] == document[j + size]:
                    size += 1
                best = max(best, size)
    return best


@pytest.mark.parametrize("seed", range(20))
def test_longest_run_is_that_of_a_search_letter_by_letter(seed: int) -> None:
    draws = random.Random(seed)
    documents = [[draws.randrange(3) for _ in range(draws.randrange(1, 30))] for _ in range(6)]
    text = [draws.randrange(3) for _ in range(draws.randrange(1, 25))]
    exact = searched(text, documents)
    found = index(documents, length=4).longest(text)
    assert found.tokens == (exact if exact >= 4 else 0)
    if found.tokens:
        run = text[found.at : found.at + found.tokens]
        assert any(run == d[j : j + len(run)] for d in documents[found.document :] for j in range(len(d)))


def test_a_run_over_the_border_of_two_documents_is_none() -> None:
    found = index([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], length=4)
    assert found.longest([4, 5, 6, 7]).tokens == 0
    assert found.longest([0, 6, 7, 8, 9, 0]).tokens == 4
    assert found.longest([0, 6, 7, 8, 9, 0]).document == 1


def test_a_corpus_without_such_a_run_is_refused() -> None:
    with pytest.raises(DataError, match="no run of 50"):
        index([[1, 2, 3]])
    with pytest.raises(DataError, match="no document"):
        index([[1, 2, 3], [4, 5, 6]], length=4)
    with pytest.raises(SettingsError, match="1 or more"):
        index([[1]], length=0)


def test_texts_that_share_half_of_their_trigrams_with_a_better_one_are_dropped() -> None:
    one = list(range(20))
    assert distinct([one, [*one[:15], 90, 91], [50, 51, 52, 53], [*one[:5], 60, 61, 62, 63, 64, 65, 66]]) == [0, 2, 3]
    assert distinct([[], [], [1]]) == [0, 2], "an empty text repeats an empty one"


def test_ranked_by_score_and_stable() -> None:
    assert ranked([1.0, 3.0, 3.0, 2.0], [0, 2, 1, 3]) == [2, 1, 3, 0]
