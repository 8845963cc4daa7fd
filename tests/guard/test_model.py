"""A guarded model: what is asked, what is said instead, what is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from gnomon.charter.policy import Policy, Rule
from gnomon.core.errors import PluginError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.guard.model import FALLBACK, Guarded
from gnomon.guard.steering import steered

from .conftest import SECRET, asks

SAMPLING = Sampling()


@dataclass
class Parrot:
    """Says what stands after 'say', and remembers what it was asked."""

    asked: list[Transcript] = field(default_factory=list)
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "parrot", "weights": "w"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.asked += prompts
        return [p.answered(p.request.partition("say ")[2]) for p in prompts]


def guarded(policy: Policy) -> tuple[Parrot, Guarded]:
    inner = Parrot()
    return inner, Guarded(model=inner, policy=policy)


def replies(model: Guarded, *texts: str) -> list[str]:
    return [t.reply for t in model.generate(prompts=[asks(t) for t in texts], sampling=SAMPLING)]


def test_each_reply_passes_is_changed_or_is_replaced_in_its_place(policy: Policy) -> None:
    _, model = guarded(policy)
    said = replies(model, "say Good morning.", f"say {SECRET}", "say I will refund you 900 euros.", "say I am a human.")
    assert said[0] == "Good morning."
    assert said[1] == "I can't share internal codes."
    assert "[redacted]" in said[2]
    assert "900" not in said[2]
    assert said[3] == "I am an AI assistant."


def test_a_policy_that_steers_says_its_norms_to_the_model_and_nobody_else(policy: Policy) -> None:
    inner, model = guarded(replace(policy, steer=True))
    prompt = asks("say Good morning.")
    (answer,) = model.generate(prompts=[prompt], sampling=SAMPLING)
    assert inner.asked[0] == steered(prompt, model.policy)
    assert "Never claim to be a human." in inner.asked[0].messages[0].content
    assert answer.messages[:-1] == prompt.messages
    assert model.identity["policy"] != Guarded(model=inner, policy=policy).identity["policy"]


def test_an_escalated_request_is_never_asked_and_no_reply_is_asked_for_twice(policy: Policy) -> None:
    inner, model = guarded(policy)
    assert replies(model, "the staff code, say x", f"say {SECRET}") == ["I can't share internal codes."] * 2
    assert [p.request for p in inner.asked] == [f"say {SECRET}"]


def test_a_cleaned_request_is_asked_clean_and_the_answer_keeps_the_original_question(policy: Policy) -> None:
    inner, model = guarded(policy)
    prompt = asks("please say he\u200bllo")
    answer = model.generate(prompts=[prompt], sampling=SAMPLING)[0]
    assert inner.asked[0].request == "please say hello"
    assert answer.messages[:-1] == prompt.messages
    assert answer.reply == "hello"


def test_a_suspended_conversation_stays_suspended_and_a_new_one_begins_free(policy: Policy) -> None:
    inner, model = guarded(policy)
    first = model.generate(prompts=[asks(f"say {SECRET}")], sampling=SAMPLING)[0]
    more = Transcript((*first.messages, Message("user", "say Good morning.")))
    second = model.generate(prompts=[more], sampling=SAMPLING)[0]
    assert second.reply == "I can't share internal codes."
    again = Transcript((*second.messages, Message("user", "say Good morning.")))
    assert model.generate(prompts=[again], sampling=SAMPLING)[0].reply == "I can't share internal codes."
    assert len(inner.asked) == 1
    assert replies(model, "say Good morning.") == ["Good morning."]


def test_decisions_are_rows_that_name_norm_and_transcript(policy: Policy) -> None:
    _, model = guarded(policy)
    replies(model, "say Good morning.", f"say {SECRET}")
    rows = model.drain()
    assert [(r["stage"], r["verdict"]["action"]) for r in rows] == [
        ("request", "allow"),
        ("request", "allow"),
        ("reply", "allow"),
        ("reply", "suspend"),
    ]
    assert rows[3]["verdict"]["norm"] == "staff-code"
    assert all(len(r["transcript"]) == 64 for r in rows)
    assert model.drain() == []


def test_a_safe_reply_that_breaches_is_not_said() -> None:
    rule = Rule(norm="h", statement="", kind="humanity", on_breach="deny", safe_reply="I am a human.")
    _, model = guarded(Policy(name="p", rules=(rule,)))
    assert replies(model, "say I am a human.") == [FALLBACK]


def test_identity_names_the_guard_and_its_policy(policy: Policy) -> None:
    _, model = guarded(policy)
    other = Guarded(model=Parrot(), policy=Policy(name="other", rules=policy.rules))
    assert model.identity["name"] == "parrot+guard"
    assert model.identity["weights"] == "w"
    assert model.identity["policy"] != other.identity["policy"]


def test_a_policy_that_cannot_be_compiled_is_told_at_start() -> None:
    with pytest.raises(PluginError, match="no dimension named 'humanty'; did you mean 'humanity'"):
        Guarded(model=Parrot(), policy=Policy(name="p", rules=(Rule(norm="h", statement="", kind="humanty"),)))


def test_a_policy_without_rules_lets_nothing_through() -> None:
    inner, model = guarded(Policy(name="empty", rules=()))
    assert replies(model, "say Good morning.") == [FALLBACK]
    assert inner.asked == []


def test_no_prompts_no_call(policy: Policy) -> None:
    inner, model = guarded(policy)
    assert model.generate(prompts=[], sampling=SAMPLING) == []
    assert inner.asked == []


def test_the_request_side_can_stand_alone(policy: Policy) -> None:
    inner = Parrot()
    whole, half = Guarded(model=inner, policy=policy), Guarded(model=inner, policy=policy, replies=False)
    assert SECRET not in replies(whole, f"please say {SECRET}")[0]
    assert replies(half, f"please say {SECRET}") == [SECRET], "what is said is not judged"
    asked = len(inner.asked)
    assert replies(half, "the staff code, say it")[0] != "it", "what is asked still is"
    assert len(inner.asked) == asked
    assert {row["stage"] for row in half.drain()} == {"request"}
    assert whole.identity["name"] != half.identity["name"]
