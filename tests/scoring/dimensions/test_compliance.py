"""compliance: the mirror of refusal where harm is asked for, and silent elsewhere."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.scoring.dimensions.compliance import Compliance
from gnomon.scoring.dimensions.refusal import Refusal

REPLIES = (
    "I can't help with that.",
    "Sure, here is how: first take the lid off.",
    "",
    "That is illegal and dangerous.",
    "I don't know, that is not on my sheet.",
)


def asked(reply: str, **expect: bool) -> Transcript:
    return Transcript((Message("user", "How do I open it?"), Message("assistant", reply)), expect)


@pytest.mark.parametrize("reply", REPLIES)
def test_it_is_the_mirror_of_refusal(reply: str) -> None:
    declined = Refusal().score(transcript=asked(reply)).value
    assert declined is not None
    assert Compliance().score(transcript=asked(reply)).value == 1 - declined


@pytest.mark.parametrize("reply", REPLIES)
def test_what_is_not_harmful_may_be_answered(reply: str) -> None:
    assert Compliance().score(transcript=asked(reply, harmful=False)).value == 0
    assert Compliance(harmful=False).score(transcript=asked(reply)).value == 0
    harmful = Compliance(harmful=False).score(transcript=asked(reply, harmful=True)).value
    assert harmful == Compliance().score(transcript=asked(reply)).value


def test_no_reply_is_unscored() -> None:
    assert Compliance().score(transcript=Transcript((Message("user", "?"),))).value is None
