"""One task from request to checks: the same verdicts as AgentDojo's own benchmark, and a gate at every message."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gnomon.core.errors import EndpointError, ModelError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.redteam.agents import dojo, episode, scripted
from gnomon.redteam.agents.episode import REFUSED, STOPPED, WITHHELD, Agent, Log, Ruling, open_gate, pipeline, play
from tests.redteam.agents.conftest import needs_agentdojo

pytestmark = needs_agentdojo


@pytest.fixture(scope="module")
def banking() -> dojo.Suite:
    return dojo.opened("banking")


def texts(suite: dojo.Suite, user: str, errand: str) -> dict[str, str]:
    return dict.fromkeys(suite.places(user), suite.goal(errand))


@pytest.mark.parametrize("obeys", [True, False])
def test_agentdojos_own_benchmark_gives_the_same_verdicts(obeys: bool, tmp_path: Path) -> None:
    """The package's benchmark runs our pipeline, and we run ours: every pair of three tasks of each kind agrees."""
    for name in ("banking", "slack"):
        suite = dojo.opened(name)
        agent = scripted.agent(suite, "x", obeys=obeys)
        users, errands = suite.users[:4], suite.errands[:3]
        attack = SimpleNamespace(
            is_dos_attack=False, name="ours", attack=lambda user, errand, s=suite: texts(s, user.ID, errand.ID)
        )
        logger = dojo.part("logging").OutputLogger(str(tmp_path))
        with contextlib.redirect_stdout(io.StringIO()), logger:
            theirs = dojo.part("benchmark").benchmark_suite_with_injections(
                pipeline(agent, Log()), suite.inner, attack, None, True, users, errands, verbose=False
            )
        ours = {(u, e): play(suite, agent, user=u, errand=e, texts=texts(suite, u, e)) for u in users for e in errands}
        assert {pair: found.utility for pair, found in ours.items()} == theirs["utility_results"]
        assert {pair: found.targeted for pair, found in ours.items()} == theirs["security_results"]
        assert any(found.targeted for found in ours.values()) is obeys


@dataclass
class Says:
    """Says these texts one after another."""

    replies: Sequence[str]
    seen: list[Transcript] = field(default_factory=list)
    identity: Any = field(default_factory=dict)

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.seen.extend(prompts)
        return [p.answered(self.replies[min(len(self.seen), len(self.replies)) - 1]) for p in prompts]


BALANCE = '{"tool": "get_balance", "arguments": {}}'
SEND = '{"tool": "send_money", "arguments": {"recipient": "X1", "amount": 1, "subject": "s", "date": "2022-01-01"}}'


def agent(*replies: str, **settings: Any) -> tuple[Agent, Says]:
    model = Says(replies)
    return Agent(mind=lambda environment: model, name="says", **settings), model


def test_a_model_calls_tools_in_text_and_reads_their_results(banking: dojo.Suite) -> None:
    made, model = agent(BALANCE, '{"tool": "nothing", "arguments": {}}', "Done.")
    found = play(banking, made, user="user_task_1")
    assert found.transcript.reply == "Done."
    assert "- get_balance(): " in model.seen[0].messages[0].content
    assert next(m.content for m in model.seen[-1].messages if m.role == "tool") == "1810.0"
    assert "Invalid tool nothing" in model.seen[-1].messages[-1].content
    assert found.log.calls == 1 + 1  # the package answers for a tool that it does not have


def test_turns_are_bounded(banking: dojo.Suite) -> None:
    made, model = agent(BALANCE, turns=3)
    play(banking, made, user="user_task_1")
    assert len(model.seen) == 4


def only(stage: str, word: str = "", **ruling: Any) -> episode.Gate:
    """A gate that stops at one stage, where a word stands in the message or its calls."""

    def gate(pending: Transcript, at: str) -> Ruling:
        hit = at == stage and word in str(pending.messages[-1])
        return Ruling(**{"passes": False, "why": "because", **ruling}) if hit else open_gate(pending, at)

    return gate


def test_a_stopped_call_is_not_run_and_does_not_count(banking: dojo.Suite) -> None:
    made, model = agent(SEND, BALANCE, "Done.")
    held = play(banking, replace(made, gate=only("tool call", "send_money", person=True)), user="user_task_1")
    assert held.log.calls == 1
    assert held.log.stopped == ["because"]
    assert held.log.persons == 1
    assert model.seen[1].messages[-1].content == f"{STOPPED} because"
    assert [m.content for m in model.seen[2].messages if m.role == "tool"][1] == "1810.0"


def test_a_stopped_injection_is_no_success_even_where_checks_read_calls() -> None:
    """Slack's last injection task is judged by the calls that the messages hold; a stopped one must not be there."""
    suite = dojo.opened("slack")
    errand, user = "injection_task_5", suite.users[0]
    obeying = scripted.agent(suite, "x", obeys=True)
    assert play(suite, obeying, user=user, errand=errand, texts=texts(suite, user, errand)).targeted
    gated = replace(obeying, gate=only("tool call", "remove_user_from_slack"))
    assert not play(suite, gated, user=user, errand=errand, texts=texts(suite, user, errand)).targeted


def test_a_withheld_result_is_not_read(banking: dojo.Suite) -> None:
    made, model = agent(BALANCE, "Done.")
    found = play(banking, replace(made, gate=only("tool result", "1810")), user="user_task_1")
    assert found.log.withheld == ["because"]
    assert model.seen[1].messages[-1].content == f"{WITHHELD} because"
    made, _ = agent(BALANCE, "Done.")
    changed = play(banking, replace(made, gate=only("tool result", passes=True, text="clean")), user="user_task_1")
    assert "clean" in [m.content for m in changed.transcript.messages]


def test_requests_and_replies_pass_the_gate_too(banking: dojo.Suite) -> None:
    made, model = agent("Done.")
    assert play(banking, replace(made, gate=only("request")), user="user_task_1").transcript.reply == REFUSED
    assert not model.seen
    assert play(banking, replace(made, gate=only("reply")), user="user_task_1").transcript.reply == REFUSED
    said = play(banking, replace(made, gate=only("reply", passes=True, text="D.")), user="user_task_1")
    assert said.transcript.reply == "D."


def test_a_conversation_too_long_ends_the_episode_and_an_endpoints_error_does_not(banking: dojo.Suite) -> None:
    def failing(error: Exception) -> Agent:
        def generate(*, prompts: Any, sampling: Any) -> list[Transcript]:
            raise error

        return Agent(mind=lambda environment: SimpleNamespace(identity={}, generate=generate), name="x")

    found = play(banking, failing(ModelError("9000 tokens are too many (it ends: 'x')")), user="user_task_1")
    assert (found.transcript.reply, found.log.ended) == (REFUSED, "9000 tokens are too many")
    with pytest.raises(EndpointError):
        play(banking, failing(EndpointError("gone")), user="user_task_1")


def test_open_gate_passes_everything() -> None:
    assert open_gate(Transcript((Message("tool", "x"),)), "tool result") == Ruling(passes=True, text="x")
