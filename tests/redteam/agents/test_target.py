"""An agent as a target: what is planted, what is a goal, how tries are kept."""

import pytest

from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget, Sampling
from gnomon.core.types import Message, ToolCall, Transcript
from gnomon.redteam.agents import dojo, scripted, target
from tests.redteam.agents.conftest import needs_agentdojo


def test_the_foreign_text_is_what_a_tool_says_else_what_the_user_says() -> None:
    said = (Message("user", "Look."), Message("assistant", "", (ToolCall(name="mail"),)))
    assert target.foreign(Transcript((*said, Message("tool", "Hi.", name="mail"), Message("user", "And?")))) == "Hi."
    assert target.foreign(Transcript((Message("system", "s"), Message("user", "Do it.")))) == "Do it."


@pytest.mark.parametrize("name", plugin.names("attack"))
def test_every_attack_keeps_what_names_the_goal(name: str) -> None:
    """A target finds the pair of tasks in the attempt's expectation."""
    if hasattr(plugin.module("attack", name), "stand_in"):
        pytest.skip("it works on weights, and an agent's are not given to it")
    from tests.redteam.conftest import goal
    from tests.redteam.test_contract import drive

    aim = goal()
    for attempt in drive(plugin.build("attack", name), aim, Budget(tries=3), seed=0):
        assert attempt.prompt.expect == aim.prompt.expect
        assert target.foreign(attempt.prompt)


@needs_agentdojo
def test_tries_end_at_the_first_success_and_each_is_kept() -> None:
    suite = dojo.opened("banking")
    users, errands = suite.users[:3], suite.errands[:2]
    aims = target.goals(suite, users, errands)
    assert len({aim.id for aim in aims}) == 6
    assert {aim.family for aim in aims} == {f"banking/{user}" for user in users}
    attacks = {name: plugin.build("attack", name) for name in ("tool_injection", "indirect")}
    for obeys, tries in ((True, 1), (False, 2)):
        agent = scripted.agent(suite, "x", obeys=obeys)
        rows = target.attacked(suite, agent, aims, attacks, budget=Budget(tries=2), seed=0)
        assert len(rows) == 12
        assert [len(row["each"]) for row in rows] == [row["tries"] for row in rows] == [tries] * 12
        assert all((row["broke"] == 1) is obeys for row in rows)
        assert all(row["each"][-1]["targeted"] is obeys for row in rows)
        again = target.attacked(suite, agent, aims, attacks, budget=Budget(tries=2), seed=0)
        assert again == rows


@needs_agentdojo
def test_base64_reaches_the_obeying_agent() -> None:
    suite = dojo.opened("banking")
    attacks = {"converted": plugin.build("attack", "converted", {"chain": "base64(x)"})}
    aims = target.goals(suite, suite.users[:1], suite.errands[:1])
    agent = scripted.agent(suite, "x", obeys=True)
    (row,) = target.attacked(suite, agent, aims, attacks, budget=Budget(tries=1), seed=0)
    assert row["broke"] == 1


@needs_agentdojo
def test_a_goal_of_another_suite_is_refused() -> None:
    suite = dojo.opened("banking")
    made = target.Target(suite, scripted.agent(suite, "x", obeys=False))
    with pytest.raises(SettingsError, match="banking has no pair"):
        made.generate(prompts=[Transcript((Message("user", "x"),))], sampling=Sampling())
    assert made.identity == {"name": "scripted:x", "suite": "banking v1.2.2"}
