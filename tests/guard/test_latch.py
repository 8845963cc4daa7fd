"""The latch: suspends until a named person releases, in memory and in a file that processes share."""

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import DataError, IntegrityError
from gnomon.core.types import Verdict
from gnomon.guard.compiled import Compiled
from gnomon.guard.decide import decide
from gnomon.guard.latch import Latch

from .conftest import SECRET, says

TRIP = Verdict(action="suspend", norm="staff-code", rule="norm", reason="told the code")


@pytest.fixture(params=["memory", "file"])
def latch(request: pytest.FixtureRequest, tmp_path: Path) -> Latch:
    return Latch(path=tmp_path / "state" / "latch.json" if request.param == "file" else None)


def test_a_suspension_holds_for_its_session_only_until_it_is_released(latch: Latch, ready: Compiled) -> None:
    verdict = decide(policy=ready, pending=says(SECRET), past=latch.past("anna"))
    assert [e["event"] for e in latch.observe("anna", [verdict])] == ["suspended"]
    for _ in range(3):
        assert decide(policy=ready, pending=says("Hello."), past=latch.past("anna")).action == "suspend"
    assert decide(policy=ready, pending=says("Hello."), past=latch.past("ben")).action == "allow"
    event = latch.release("anna", "staff-code", by="Duty officer", reason="code rotated")
    assert (event["by"], event["reason"], event["suspended_for"]) == ("Duty officer", "code rotated", verdict.reason)
    assert decide(policy=ready, pending=says("Hello."), past=latch.past("anna")).action == "allow"
    assert latch.suspended() == {}


def test_each_norm_is_released_by_itself(latch: Latch) -> None:
    latch.observe("anna", [TRIP, Verdict(action="suspend", norm="other", rule="norm", reason="x")])
    latch.release("anna", "other", by="D", reason="r")
    assert [v.norm for v in latch.past("anna")] == ["staff-code"]


def test_only_suspensions_latch_and_only_once(latch: Latch) -> None:
    assert latch.observe("anna", [Verdict(action="deny", norm="n"), Verdict(action="allow")]) == []
    assert len(latch.observe("anna", [TRIP, TRIP])) == 1
    assert latch.observe("anna", [TRIP, *latch.past("anna")]) == []


@pytest.mark.parametrize(("by", "reason"), [("", "r"), ("D", ""), ("  ", "r"), ("D", "\t")])
def test_a_release_without_name_or_reason_is_refused(latch: Latch, by: str, reason: str) -> None:
    latch.observe("anna", [TRIP])
    with pytest.raises(DataError, match="name of a person and a reason"):
        latch.release("anna", "staff-code", by=by, reason=reason)
    assert latch.past("anna")


def test_releasing_what_is_not_suspended_says_what_is(latch: Latch) -> None:
    latch.observe("anna", [TRIP])
    with pytest.raises(DataError, match="staff-code"):
        latch.release("anna", "staf-code", by="D", reason="r")


def test_the_file_survives_a_restart(tmp_path: Path) -> None:
    Latch(path=tmp_path / "l.json").observe("anna", [TRIP])
    assert [v.norm for v in Latch(path=tmp_path / "l.json").past("anna")] == ["staff-code"]
    assert json.loads((tmp_path / "l.json").read_text()) == {"anna": {"staff-code": "told the code"}}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"anna": "x"}', '{"anna": {"n": 1}}', "\ufffd"])
def test_a_broken_file_suspends_everybody(tmp_path: Path, ready: Compiled, content: str) -> None:
    (tmp_path / "l.json").write_text(content)
    latch = Latch(path=tmp_path / "l.json")
    assert decide(policy=ready, pending=says("Hello."), past=latch.past("ben")).action == "suspend"
    with pytest.raises(IntegrityError):
        latch.observe("ben", [TRIP])
    assert (tmp_path / "l.json").read_text() == content


def _trip(path: str, session: str) -> None:
    for number in range(5):
        Latch(path=Path(path)).observe(f"{session}{number}", [TRIP])


def test_processes_lose_no_suspension(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_trip, args=(str(tmp_path / "l.json"), name)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(Latch(path=tmp_path / "l.json").suspended()) == 20


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["suspend", "deny", "allow"]), st.sampled_from("ab"), st.sampled_from("nm"))
)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_without_a_release_suspensions_only_grow(events: list[tuple[str, str, str]]) -> None:
    latch = Latch()
    held: set[tuple[str, str]] = set()
    for action, session, norm in events:
        latch.observe(session, [Verdict(action=action, norm=norm)])  # type: ignore[arg-type]
        held |= {(session, norm)} if action == "suspend" else set()
        assert {(s, n) for s, norms in latch.suspended().items() for n in norms} == held
