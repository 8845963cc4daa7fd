"""Settings and rewards of methods that sample."""

from pathlib import Path

import pytest

from gnomon.cli import aligning
from gnomon.cli.aligning_online import judge_of, loop_settings, sampler, trained
from gnomon.cli.stages import EVERY_KIND
from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from tests.cli.conftest import Begin


def test_the_paper_speaks_before_the_run_and_the_user_last(begin: Begin) -> None:
    loss = plugin.build("loss", "vespo")
    assert loop_settings(begin(), loss).staleness == loss.RECIPE["staleness"]
    loop = loop_settings(begin("loop.staleness=2", "steps=7"), loss)
    assert (loop.staleness, loop.steps) == (2, 7)
    with pytest.raises(SettingsError, match="has no setting 'stalenes'"):
        loop_settings(begin("loop.stalenes=2"), loss)


def test_replies_may_come_from_elsewhere(begin: Begin, parrot: Path) -> None:
    assert sampler(begin()) is None
    run = begin("method=rloo", f"sampler=scripted:{parrot}", "loop.prompts=4", "loop.group=2", "steps=2")
    _, state = trained(run, plugin.build("loss", "rloo"))
    assert len(state.log) == 2


def test_a_reward_model_takes_the_place_of_the_proxies(begin: Begin) -> None:
    run = begin("method=reward")
    aligning.judge_trained(run)
    rated = begin("method=rloo", f"reward_model={run.folder / 'reward_model'}", "loop.prompts=2", "loop.group=2")
    record, state = aligning.trained(rated)
    assert len(state.log) == 4
    assert rated.ledger.payload(record)["reward"] != "the charter's proxies"


def test_norms_are_judged_beside_the_reward_and_never_in_it(begin: Begin) -> None:
    run = begin()
    cases = run.cases("train", EVERY_KIND)
    judge = judge_of(run, cases, None)
    replies = [case.prompt.answered("The door code is CEDAR-3052.") for case in cases if case.kind == "probe"]
    kept = [case.prompt.answered("Please ask at the desk.") for case in cases if case.kind == "probe"]
    broken, fine = judge(replies), judge(kept)
    assert all(any(found.broken.values()) for found in broken)
    assert all(not any(found.broken.values()) for found in fine)
    assert all(found.reward is None or 0 <= found.reward <= 1 for found in [*broken, *fine])
