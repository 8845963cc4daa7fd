"""The tools screen: unknown tools, consequential calls and where their arguments come from."""

import pytest

from gnomon.core.types import Message, ToolCall, Transcript, Verdict
from gnomon.guard.screens.tools import Tools

SCREEN = Tools(tools={"look_up": False, "refund": True})
ASKED = Message("user", "Refund order 7.")
READ = (ASKED, Message("assistant", "", (ToolCall(name="look_up"),)), Message("tool", "order 9", name="look_up"))


def check(*messages: Message) -> Verdict:
    return SCREEN.check(pending=Transcript(messages), past=())


def refund(*sources: int, order: str = "7") -> Message:
    given = {"order": sources} if sources else {}
    return Message("assistant", "", (ToolCall(name="refund", arguments={"order": order}, sources=given),))


def test_before_any_tool_has_spoken_a_consequential_call_passes() -> None:
    assert check(ASKED, refund()).action == "allow"
    assert check(ASKED, refund(0)).action == "allow"


def test_after_a_tool_has_spoken_the_source_must_be_stated_and_be_a_person() -> None:
    assert check(*READ, refund(0)).action == "allow"
    assert check(*READ, refund()).action == "escalate"
    assert check(*READ, refund(2)).action == "escalate"
    assert check(*READ, refund(0, 2)).action == "escalate"


def test_a_tools_text_does_not_become_clean_through_the_assistant() -> None:
    told = (*READ, Message("assistant", "It is order 9."), Message("user", "ok"))
    assert check(*told, refund(3)).action == "escalate"
    assert check(*told, refund(4)).action == "allow"


def test_harmless_calls_pass_wherever_their_arguments_come_from() -> None:
    call = ToolCall(name="look_up", arguments={"id": "9"}, sources={"id": (2,)})
    assert check(*READ, Message("assistant", "", (call,))).action == "allow"


@pytest.mark.parametrize("sources", [{"order": (9,)}, {"order": (-1,)}, {"other": (0,)}])
def test_a_source_that_does_not_exist_is_denied(sources: dict[str, tuple[int, ...]]) -> None:
    call = ToolCall(name="look_up", arguments={"order": "7"}, sources=sources)
    assert check(*READ, Message("assistant", "", (call,))).action == "deny"


def test_of_parallel_calls_the_worst_counts() -> None:
    calls = (ToolCall(name="look_up"), *refund().tool_calls, ToolCall(name="format_disk"))
    verdict = check(*READ, Message("assistant", "", calls))
    assert verdict.action == "deny"
    assert "format_disk" in verdict.reason
    assert check(*READ, Message("assistant", "", calls[:2])).action == "escalate"


def test_a_result_of_an_unknown_or_nameless_tool_is_denied() -> None:
    assert check(Message("tool", "x", name="look_up")).action == "allow"
    assert check(Message("tool", "x", name="web")).action == "deny"
    assert check(Message("tool", "x")).action == "deny"
