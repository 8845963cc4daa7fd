"""Plans of attacks on agents: names, bounds and resume."""

from pathlib import Path

import pytest

from gnomon.cli.agent_runs import Plan, policy, run, staged
from gnomon.core.errors import SettingsError
from gnomon.executor.local import Local
from gnomon.models.scripted import refusing
from gnomon.redteam.agents import target
from tests.redteam.agents.conftest import needs_agentdojo

PLAN = Plan(suite="agentdojo/banking", model="scripted:obeying", users=2, errands=2)


def test_names_that_do_not_exist_are_said_before_anything_runs() -> None:
    with pytest.raises(SettingsError, match="did you mean 'agentdojo/banking'"):
        staged(Plan(suite="agentdojo/bankin", model="scripted:obeying"), None)
    with pytest.raises(SettingsError, match="'scripted:other' is no scripted agent"):
        staged(Plan(suite="bipia/email", model="scripted:other"), None)
    with pytest.raises(SettingsError, match="no attack"):
        staged(Plan(suite="bipia/email", model="scripted:obeying", attacks=("tool_injectoin",)), None)


@needs_agentdojo
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = staged(PLAN, None)
    whole = run(stage, Local(tmp_path / "whole"))
    assert [o["user"] for o in whole.quiet] == ["user_task_0", "user_task_1"]
    assert [row["broke"] for row in whole.rows] == [1] * 4
    real, played = target.benign, []

    def killed(suite: object, agent: object, users: object) -> object:
        played.append(users)
        if len(played) == 2:
            raise KeyboardInterrupt
        return real(suite, agent, users)  # type: ignore[arg-type]

    monkeypatch.setattr(target, "benign", killed)
    with pytest.raises(KeyboardInterrupt):
        run(stage, Local(tmp_path / "killed"))
    again = run(stage, Local(tmp_path / "killed"))
    assert played == [["user_task_0"], ["user_task_1"], ["user_task_1"]]
    assert again == whole


@needs_agentdojo
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_guard_and_a_model(tmp_path: Path) -> None:
    guarded = run(staged(PLAN, None), Local(tmp_path), "both")
    assert guarded.guard == "both"
    assert [row["broke"] for row in guarded.rows] == [None] * 4
    plain = run(staged(Plan(suite=PLAN.suite, users=1, errands=1), refusing()), Local(tmp_path))
    assert [o["utility"] for o in plain.quiet] == [False]
    assert policy(PLAN, "") is None
