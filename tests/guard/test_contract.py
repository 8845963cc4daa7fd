"""What must hold for every screen, whoever adds one: its specimens, its record, its time, its purity."""

import copy
import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core import plugin
from gnomon.core.types import Message, Transcript, Verdict
from gnomon.guard.compiled import Compiled, Entry
from gnomon.guard.decide import closed, decide

from .conftest import helpdesk

SCREENS = plugin.names("screen")
SPECIMENS = [
    pytest.param(name, values, pending, stops, id=f"{name}-{'deny' if stops else 'allow'}-{i}")
    for name in SCREENS
    for stops in (True, False)
    for i, (values, pending) in enumerate(
        getattr(plugin.module("screen", name), "MUST_DENY" if stops else "MUST_ALLOW")
    )
]


@pytest.mark.parametrize(("name", "values", "pending", "stops"), SPECIMENS)
def test_specimens_come_out_right_in_time_and_unchanged(
    name: str, values: dict[str, object], pending: Transcript, stops: bool
) -> None:
    screen = plugin.build("screen", name, values)
    before = copy.deepcopy(pending)
    began = time.thread_time()
    verdict = screen.check(pending=pending, past=())
    assert (time.thread_time() - began) * 1e3 <= screen.limit_ms
    assert (verdict.action != "allow") == stops, verdict
    assert pending == before
    assert bool(verdict.reason) == stops
    assert screen.check(pending=pending, past=()) == verdict


@pytest.mark.parametrize("name", SCREENS)
def test_the_file_is_as_every_screen_is(name: str) -> None:
    module = plugin.module("screen", name)
    kind = plugin.load("screen", name)
    assert kind.__dataclass_params__.frozen
    assert any(f.name == "limit_ms" for f in dataclasses.fields(kind))
    assert "Source:" in module.__doc__
    assert "Fails: closed" in module.__doc__
    assert module.MUST_DENY
    assert module.MUST_ALLOW
    for settings_ in module.wanted(helpdesk()):
        plugin.build("screen", name, settings_)


@pytest.mark.parametrize("name", SCREENS)
@settings(max_examples=25, deadline=None)
@given(
    text=st.text(max_size=80),
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    before=st.lists(st.text(max_size=20), max_size=2),
)
def test_fuzzed_text_never_escapes(name: str, text: str, role: str, before: list[str]) -> None:
    pending = Transcript((*(Message("assistant", t) for t in before), Message(role, text)))  # type: ignore[arg-type]
    for values in plugin.module("screen", name).wanted(helpdesk()):
        screen = plugin.build("screen", name, values)
        verdict = closed(name, "", lambda screen=screen: screen.check(pending=pending, past=()))
        assert isinstance(verdict, Verdict)
        assert "failed closed" not in verdict.reason


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_that_breaks_inside_ends_in_a_denial(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values, pending = plugin.module("screen", name).MUST_ALLOW[0]
    screen = plugin.build("screen", name, values)

    def broken(self: object, **_: object) -> Verdict:
        raise RuntimeError("broken inside")

    monkeypatch.setattr(type(screen), "check", broken)
    ready = Compiled(policy=helpdesk(), entries=(Entry(name=name, norm="", screen=screen, limit_ms=screen.limit_ms),))
    verdict = decide(policy=ready, pending=pending)
    assert (verdict.action, verdict.rule) == ("deny", name)


@pytest.mark.parametrize("name", SCREENS)
def test_a_long_text_is_read_within_the_stated_time(name: str) -> None:
    for values in plugin.module("screen", name).wanted(helpdesk()):
        screen = plugin.build("screen", name, values)
        for role in ("user", "assistant"):
            pending = Transcript((Message(role, "The order 7 was shipped on Monday, as agreed. " * 200),))  # type: ignore[arg-type]
            began = time.thread_time()
            screen.check(pending=pending, past=())
            assert (time.thread_time() - began) * 1e3 <= screen.limit_ms
