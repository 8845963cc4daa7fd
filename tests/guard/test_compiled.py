"""A policy compiled: which screens, in which order, and how cheap a decision then is."""

import time

import pytest

from gnomon.charter.policy import Policy, Rule
from gnomon.core.errors import GnomonError, SettingsError
from gnomon.core.types import Transcript
from gnomon.guard.compiled import Compiled, compiled
from gnomon.guard.decide import decide

from .conftest import asks, says


def test_norms_come_first_in_the_charters_order_then_every_other_screen(ready: Compiled) -> None:
    names = [(e.name, e.norm) for e in ready.entries]
    assert names[:4] == [("norm", n) for n in ("staff-code", "refund-limit", "human", "cut-off")]
    assert names[4:] == [("hidden_text", ""), ("tools", ""), ("trigger", "")]
    assert all(e.limit_ms > 0 for e in ready.entries)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(norm="n", statement="", kind="nothing"),
        Rule(norm="n", statement="", kind="humanity", settings={"nothing": 1}),
        Rule(norm="n", statement="", kind="pattern", settings={"any": ["(?=x)"]}),
        Rule(norm="n", statement="", kind="humanity", triggers=("(",)),
        Rule(norm="n", statement="", kind="humanity", on_breach="shrug"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_exist_is_an_error_at_once(rule: Rule) -> None:
    with pytest.raises(GnomonError):
        compiled(Policy(name="p", rules=(rule,)))


def test_the_message_names_the_norm_and_the_pattern() -> None:
    with pytest.raises(SettingsError, match=r"'staff'.*\(\?=x\)"):
        compiled(Policy(name="p", rules=(Rule(norm="staff", statement="", kind="humanity", triggers=("(?=x)",)),)))


def test_the_safe_reply_is_the_norms_own(ready: Compiled) -> None:
    assert ready.safe_reply("human") == "I am an AI assistant."
    assert ready.safe_reply("unknown") == ""


def fastest_ms(ready: Compiled, pending: Transcript) -> float:
    """Least CPU time of many: what the work costs when nothing else disturbs it."""
    spent = []
    for _ in range(300):
        began = time.thread_time_ns()
        assert decide(policy=ready, pending=pending).action == "allow"
        spent.append(time.thread_time_ns() - began)
    return min(spent) / 1e6


def test_a_decision_on_four_norms_is_cheap(policy: Policy, ready: Compiled) -> None:
    reply = says("Thank you for writing. Your order was shipped on Monday and arrives within five working days. " * 2)
    plain = compiled(Policy(name="p", rules=(*policy.rules[1:], Rule(norm="w", statement="", kind="humanity"))))
    assert fastest_ms(ready, asks("Where is my order?")) < 0.1
    assert fastest_ms(plain, reply) < 0.3
    assert fastest_ms(ready, reply) < 1.0  # most of it the decoding that the detector of secrets does
