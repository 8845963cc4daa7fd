"""Building conversations from a goal's."""

from gnomon.core.types import Message, Transcript
from gnomon.redteam.rewrite import asked, followed, opening

TALK = Transcript(
    (Message("system", "s"), Message("user", "a"), Message("assistant", "b"), Message("user", "c")), {"limit": 1}
)


def test_only_the_last_request_is_exchanged() -> None:
    assert [m.content for m in asked(TALK, "x").messages] == ["s", "a", "b", "x"]
    assert asked(TALK, "x").expect == TALK.expect
    assert TALK.request == "c"


def test_without_a_request_one_is_appended() -> None:
    bare = Transcript((Message("system", "s"),))
    assert [m.role for m in asked(bare, "x").messages] == ["system", "user"]
    assert opening(bare) == bare.messages


def test_the_opening_ends_before_the_last_request() -> None:
    assert [m.content for m in opening(TALK)] == ["s", "a", "b"]
    assert followed(TALK, opening(TALK), "c") == TALK
