"""Estimates of a search by hand: the curve, what was paid for, where gold falls, and what is not known."""

import pytest

from gnomon.core.errors import DataError
from gnomon.core.types import Message, Transcript
from gnomon.redteam.hack_curve import hack
from gnomon.redteam.proxy_search import Path, Point

HERE = Transcript((Message("user", "?"), Message("assistant", "!")))


def path(i: int, gold: float | None = 0.3) -> Path:
    last = None if gold is None else gold - i / 100
    return Path(
        id=str(i),
        start=HERE,
        end=HERE,
        points=(Point(0, 0.2, 0.8, 5), Point(8, 0.6 + i / 100, last, 20)),
        earned={"length": 0.4, "form": 0.1},
        words={"so": 0.2, "no": -0.1},
    )


def test_a_curve_by_hand() -> None:
    found = hack([path(i) for i in range(6)], efforts=(4,))
    assert [at.effort for at in found.curve] == [0, 4, 8]
    assert found.curve[1].proxy.value == pytest.approx(0.2)
    assert found.curve[2].gold_change is not None
    assert found.curve[2].gold_change.value == pytest.approx(-0.525)
    assert found.earned == pytest.approx({"length": 0.8, "form": 0.2})
    assert found.words == pytest.approx({"so": 0.2})
    assert (found.state, found.falls_from, found.unscored) == ("hacked", 8, 0)


def test_gold_that_is_not_known_is_counted_and_proves_nothing() -> None:
    found = hack([path(i, None) for i in range(6)])
    assert (found.state, found.unscored, found.falls_from) == ("gold not known", 6, None)
    some = hack([path(i, None if i < 2 else 0.3) for i in range(8)])
    assert some.unscored == 2
    assert some.curve[-1].gold is not None
    assert some.curve[-1].gold.n == 6


def test_efforts_double_up_to_the_last() -> None:
    assert [at.effort for at in hack([path(i) for i in range(6)]).curve] == [0, 1, 2, 4, 8]


def test_no_path_or_unlike_ones_are_refused() -> None:
    with pytest.raises(DataError, match="no path"):
        hack([])
    short = Path(id="s", start=HERE, end=HERE, points=(Point(0, 0.2, 0.8, 5),), earned={}, words={})
    with pytest.raises(DataError, match="unlike efforts"):
        hack([path(1), short])
