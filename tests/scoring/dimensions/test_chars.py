"""chars: exp(-n / scale)."""

import math

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.chars import Chars


@pytest.mark.parametrize("size", [0, 1, 50, 5000])
def test_closed_form(size: int) -> None:
    score = Chars(scale=50).score(transcript=Transcript((Message("assistant", "x" * size),)))
    assert score.value == pytest.approx(math.exp(-size / 50))


def test_scale_must_be_positive() -> None:
    with pytest.raises(SettingsError):
        Chars(scale=0)
