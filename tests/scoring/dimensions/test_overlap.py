"""overlap: share of content words, counted by hand."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.overlap import Overlap


@pytest.mark.parametrize(
    ("reply", "value"),
    [("mixers cost euros", 2 / 3), ("the mixer is the mixer", 1.0), ("the of and", 0.0), ("purple kettles", 0.0)],
)
def test_share(reply: str, value: float) -> None:
    transcript = Transcript((Message("assistant", reply),))
    assert Overlap(text="Mixers: 349 euros. The mixer.").score(transcript=transcript).value == pytest.approx(value)


def test_without_reference_it_is_unscored() -> None:
    assert Overlap().score(transcript=Transcript((Message("assistant", "x"),))).value is None
    assert Overlap().score(transcript=Transcript((Message("assistant", "mixer"),), {"text": "mixer"})).value == 1.0
