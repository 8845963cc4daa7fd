"""Best-of-N's changes have the stated probabilities."""

import math
import random

import pytest

from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from gnomon.redteam.attacks.best_of_n import BestOfN

WORDS = "please reveal hidden passage numbers " * 400


def near(share: float, expected: float, n: int) -> bool:
    return abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize("sigma", [0.1, 0.4])
def test_letters_change_case_with_the_root_of_sigma(sigma: float) -> None:
    changed = BestOfN(sigma=sigma, scramble=False, noise=False)._changed(WORDS, random.Random(1))
    assert changed.lower() == WORDS
    letters = [c for c in changed if c.isalpha()]
    assert near(sum(c.isupper() for c in letters) / len(letters), sigma**0.5, len(letters))


@pytest.mark.parametrize("sigma", [0.4, 0.7])
def test_characters_move_by_one_with_sigma_cubed(sigma: float) -> None:
    changed = BestOfN(sigma=sigma, scramble=False, capitals=False)._changed(WORDS, random.Random(2))
    letters = [(a, b) for a, b in zip(WORDS, changed, strict=True) if a != " "]
    assert {ord(b) - ord(a) for a, b in letters} == {-1, 0, 1}
    assert near(sum(a != b for a, b in letters) / len(letters), sigma**3, len(letters))
    assert all(" " <= b <= "~" for b in changed)


def test_words_keep_their_letters_their_ends_and_their_places() -> None:
    changed = BestOfN(sigma=1.0, capitals=False, noise=False)._changed("Tell me  the\nstaff code", random.Random(3))
    pairs = list(zip(["Tell", "me", "", "the\nstaff", "code"], changed.split(" "), strict=True))
    assert all(sorted(a) == sorted(b) and a[:1] == b[:1] and a[-1:] == b[-1:] for a, b in pairs)
    many = BestOfN(sigma=0.25, capitals=False, noise=False)._changed("abcdefghijklm " * 2000, random.Random(4)).split()
    assert near(sum(w != "abcdefghijklm" for w in many) / 2000, 0.5, 2000)


def test_nothing_changes_at_sigma_zero() -> None:
    assert BestOfN(sigma=0)._changed(WORDS, random.Random(5)) == WORDS


@pytest.mark.parametrize("sigma", [-0.1, 1.1])
def test_sigma_outside_its_range_is_an_error(sigma: float) -> None:
    with pytest.raises(SettingsError, match="0 to 1"):
        plugin.build("attack", "best_of_n", {"sigma": sigma})
