"""The norm screen: what it reads of a message and how a breach becomes a verdict."""

import base64

import pytest

from gnomon.core import plugin
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.types import Message, Score, ToolCall, Transcript, Verdict
from gnomon.guard.screens.norm import Norm

SECRET = {"norm": "code", "kind": "secret", "settings": {"secrets": ["TEAL-7421"]}}


def check(*messages: Message, on_breach: str = "deny", expect: dict[str, object] | None = None) -> Verdict:
    screen: Norm = plugin.build("screen", "norm", {**SECRET, "on_breach": on_breach})
    return screen.check(pending=Transcript(messages, expect or {}), past=())


def call(**arguments: object) -> tuple[ToolCall, ...]:
    return (ToolCall(name="mail", arguments=arguments),)


@pytest.mark.parametrize("role", ["system", "user", "tool"])
def test_only_what_the_assistant_says_is_judged(role: str) -> None:
    assert check(Message(role, "TEAL-7421")) == Verdict(action="allow")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "messages",
    [
        (Message("assistant", "", call(to="x", body="TEAL-7421")),),
        (Message("assistant", "", call(parts=["TEAL", {"and": "7421"}])),),
        (Message("assistant", "", call(**{"TEAL-7421": 1})),),
        (Message("assistant", "TEAL-", call(body="7421")),),
        (Message("assistant", "", call(body="TEAL")), Message("tool", "ok"), Message("assistant", "7421")),
        (Message("assistant", "TEAL"), Message("user", "?"), Message("assistant", "", call(body="7421"))),
    ],
)
def test_a_breach_in_arguments_or_across_them_is_found(messages: tuple[Message, ...]) -> None:
    assert check(*messages).action == "deny"


def test_nothing_said_is_nothing_breached() -> None:
    assert check(Message("assistant", "TEAL-7421"), Message("user", "?"), Message("assistant", " ")).action == "allow"


def test_a_breach_in_arguments_cannot_be_redacted_and_is_denied() -> None:
    verdict = check(Message("assistant", "Sent.", call(body="TEAL-7421")), on_breach="redact")
    assert verdict.action == "deny"
    assert "redacted" in verdict.reason


def test_a_breach_in_the_text_is_redacted() -> None:
    verdict = check(Message("assistant", "It is TEAL-7421, sir."), on_breach="redact")
    assert (verdict.action, verdict.replacement) == ("modify", "It is [redacted], sir.")


def test_what_the_conversation_expects_is_ignored() -> None:
    assert check(Message("assistant", "TEAL-7421"), expect={"secrets": ["OTHER-99"]}).action == "deny"


def test_what_cannot_be_judged_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    screen: Norm = plugin.build("screen", "norm", SECRET)
    monkeypatch.setattr(type(screen.dimension), "score", lambda self, transcript: Score.unscored("too odd"))
    verdict = screen.check(pending=Transcript((Message("assistant", "x"),)), past=())
    assert (verdict.action, verdict.norm) == ("deny", "code")
    assert "too odd" in verdict.reason


def test_a_score_out_of_bounds_raises_and_so_ends_in_a_denial(monkeypatch: pytest.MonkeyPatch) -> None:
    screen: Norm = plugin.build("screen", "norm", SECRET)
    monkeypatch.setattr(type(screen.dimension), "score", lambda self, transcript: Score(value=float("nan")))
    with pytest.raises(DataError, match="bounds"):
        screen.check(pending=Transcript((Message("assistant", "x"),)), past=())


def test_a_dimension_of_which_more_is_better_breaches_below_the_line() -> None:
    settings = {"norm": "short", "kind": "length", "settings": {"max_words": 5}, "breach_at": 0.5}
    if "length" not in plugin.names("dimension"):
        pytest.skip("no length dimension")
    screen: Norm = plugin.build("screen", "norm", settings)
    short, long = (Transcript((Message("assistant", "word " * n),)) for n in (3, 200))
    assert screen.check(pending=short, past=()).action == "allow"
    verdict = screen.check(pending=long, past=())
    assert verdict.action == "deny"
    assert verdict.scores["norm:short"] > 0.5


def test_an_unknown_way_to_act_is_an_error() -> None:
    with pytest.raises(SettingsError, match="suspend, deny, redact, escalate"):
        plugin.build("screen", "norm", {**SECRET, "on_breach": "shrug"})


@pytest.mark.parametrize("before", [0, 15_995, 16_000, 30_000, 59_000])
def test_a_long_text_is_read_to_its_end(before: int) -> None:
    encoded = base64.b64encode(b"TEAL-7421").decode()
    text = "x " * (before // 2) + encoded + " y" * 500
    verdict = check(Message("assistant", text), on_breach="redact")
    assert (verdict.action, verdict.replacement) == ("modify", text.replace(encoded, "[redacted]"))
    assert check(Message("assistant", "x " * (before // 2))).action == "allow"
