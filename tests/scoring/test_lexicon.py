"""Word lists: lower case, distinct languages, disjoint scripts."""

from itertools import combinations

from gnomon.scoring import lexicon


def test_lists_are_lower_case_and_long_enough() -> None:
    for words in lexicon.STOPWORDS.values():
        assert len(words) >= 50
        assert all(w == w.lower() for w in words)


def test_each_language_has_words_of_its_own() -> None:
    for name, words in lexicon.STOPWORDS.items():
        others = frozenset().union(*(w for n, w in lexicon.STOPWORDS.items() if n != name))
        assert len(words - others) >= 20, name


def test_scripts_do_not_overlap() -> None:
    ranges = [r for script in lexicon.SCRIPTS.values() for r in script]
    assert all(a[1] < b[0] or b[1] < a[0] for a, b in combinations(ranges, 2))
    assert set(lexicon.SCRIPT_OF.values()) < set(lexicon.SCRIPTS)


def test_listed() -> None:
    assert lexicon.listed("a b  a") == {"a", "b"}
