"""What is recalled: the nearest by cosine, the older first among equals, whatever was written when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError, SettingsError
from gnomon.redteam.memory.store import Entry, Hashed, Kept, Memory

WORDS = ["tea", "cup", "rain", "fence", "rose", "bread", "lamp"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


def entries(*queries: str) -> list[Entry]:
    return [Entry(query, f"about {query}") for query in queries]


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, max_size=12), texts, st.integers(0, 15), st.integers(0, 12))
def test_recall_is_the_sorted_list_of_all_cosines(queries: list[str], query: str, k: int, cut: int) -> None:
    memory = Memory(Hashed())
    memory.write(entries(*queries[:cut]))
    memory.write(entries(*queries[cut:]))
    found = memory.recall(query, k)

    def cosine(a: str, b: str) -> float:
        one, two = set(a.split()), set(b.split())
        return len(one & two) / (len(one) * len(two)) ** 0.5

    expected = sorted(range(len(queries)), key=lambda i: (-round(cosine(queries[i], query), 9), i))[:k]
    assert [hit.entry.query for hit in found] == [queries[i] for i in expected]
    assert [hit.likeness for hit in found] == pytest.approx([cosine(queries[i], query) for i in expected])


def test_a_copy_is_another_memory() -> None:
    memory = Memory(Hashed(), entries("tea", "rain"))
    other = memory.copy()
    other.write(entries("rose"))
    assert (len(memory), len(other)) == (2, 3)
    assert other.recall("rose", 1)[0].entry.query == "rose"
    assert memory.recall("rose", 1)[0].likeness == 0


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(SettingsError, match="from 0 up"):
        Memory(Hashed()).recall("tea", -1)
    with pytest.raises(DataError, match="length 1"):
        Memory(lambda texts: np.ones((len(texts), 3))).write(entries("tea"))
    assert Memory(Hashed()).recall("tea", 3) == []


def test_no_text_is_embedded_twice() -> None:
    seen: list[str] = []

    def embed(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return Hashed()(texts)

    kept = Kept(embed)  # type: ignore[arg-type]
    assert np.array_equal(kept(["tea", "cup", "tea"]), Hashed()(["tea", "cup", "tea"]))
    kept(["cup"])
    assert seen == ["tea", "cup"]


def test_rare_words_weigh_more_after_fitting() -> None:
    embed = Hashed().fitted(["tea cup", "tea rain", "tea fence"])
    tea, cup, both = embed(["tea", "cup", "tea cup"])
    assert both @ cup > both @ tea > 0
    assert embed([""])[0][-1] == 1
