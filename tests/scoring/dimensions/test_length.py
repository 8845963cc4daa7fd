"""length: 1 inside, linear outside."""

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.length import Length


def says(count: int, **settings) -> float | None:
    return Length(**settings).score(transcript=Transcript((Message("assistant", "word " * count),))).value


@pytest.mark.parametrize(("count", "value"), [(0, 0), (1, 1), (10, 1), (15, 0.5), (20, 0), (40, 0)])
def test_falls_linearly(count: int, value: float) -> None:
    assert says(count, max_words=10) == pytest.approx(value)


def test_soft_and_min() -> None:
    assert says(11, max_words=10, soft=0) == 0
    assert says(15, max_words=10, soft=0.5) == 0
    assert says(2, max_words=10, min_words=4) == 0.5
    assert says(0, max_words=10, min_words=0) == 1


def test_the_case_may_bring_its_own_bound() -> None:
    transcript = Transcript((Message("assistant", "one two three"),), {"max_words": 2})
    assert Length(max_words=10).score(transcript=transcript).value == 0.5


@pytest.mark.parametrize("bad", [{"max_words": 0}, {"max_words": 3, "min_words": 4}, {"max_words": 3, "soft": -1}])
def test_settings_that_do_not_fit(bad: dict) -> None:
    with pytest.raises(SettingsError):
        Length(**bad)
