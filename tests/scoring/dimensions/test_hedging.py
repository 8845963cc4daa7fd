"""hedging: share of sentences with a hedge."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.hedging import Hedging


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("It might rain. It is wet.", 0.5),
        ("Perhaps. Probably. I think so.", 1.0),
        ("It rains.", 0.0),
        ("The mayor", 0.0),
    ],
)
def test_share(reply: str, value: float) -> None:
    score = Hedging().score(transcript=Transcript((Message("assistant", reply),)))
    assert score.value == pytest.approx(value)
    assert len(score.spans) == round(value * len([s for s in reply.split(".") if s.strip()]))
