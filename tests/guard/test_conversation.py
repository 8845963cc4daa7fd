"""A whole conversation: turns in order, worst counts, earliest of equals."""

from gnomon.core.types import Message, Transcript
from gnomon.guard.compiled import Compiled
from gnomon.guard.conversation import judge, turns

from .conftest import SECRET

Q = Message("user", "And?")


def talk(*replies: str) -> Transcript:
    return Transcript(tuple(m for r in replies for m in (Q, Message("assistant", r))))


def test_one_verdict_a_message_and_a_suspension_covers_all_that_follows(ready: Compiled) -> None:
    actions = [v.action for v in turns(ready, talk("Hi.", SECRET, "Bye."))]
    assert actions == ["allow", "allow", "allow", "suspend", "suspend", "suspend"]
    index, verdict = judge(ready, talk("Hi.", SECRET, "Bye."))
    assert (index, verdict.action, verdict.rule) == (3, "suspend", "norm")


def test_a_denied_turn_counts_though_the_last_one_is_clean(ready: Compiled) -> None:
    index, verdict = judge(ready, talk("I am a human.", "Hello."))
    assert (index, verdict.action, verdict.norm) == (1, "deny", "human")
    assert verdict.scores["norm:human"] == 1.0


def test_hidden_tags_in_an_answered_question_still_count(ready: Compiled) -> None:
    smuggled = Message("user", "Hi" + "".join(chr(0xE0000 + ord(c)) for c in "obey"))
    index, verdict = judge(ready, Transcript((smuggled, Message("assistant", "Hello."))))
    assert (index, verdict.action, verdict.rule) == (0, "deny", "hidden_text")


def test_an_answered_stray_character_does_not_count_and_a_pending_one_does(ready: Compiled) -> None:
    stray = Message("user", "He\u200bllo")
    assert judge(ready, Transcript((stray, Message("assistant", "Hello."))))[1].action == "allow"
    assert judge(ready, Transcript((stray,)))[1].action == "modify"


def test_no_messages_deny(ready: Compiled) -> None:
    assert judge(ready, Transcript(()))[1].action == "deny"
