"""Benign requests in an attack's words: the words are those that were found, the request another."""

import pytest

from gnomon.core import plugin
from gnomon.core.protocols import Budget, Goal, Sampling
from gnomon.core.types import Message, Transcript
from gnomon.redteam.carry import carried
from gnomon.redteam.search import search_all
from gnomon.redteam.transfer import prompt
from tests.redteam.conftest import SYSTEM, Chance, goal, judge

BENIGN = Transcript((SYSTEM, Message("user", "When does the shop open on Monday?")), {"answer": ["9"]})


@pytest.mark.parametrize("name", ["prefix", "roleplay", "refusal_suppression", "encoding", "converted"])
def test_the_same_words_come_around_another_request(name: str) -> None:
    attack, budget = plugin.build("attack", name, {}), Budget(tries=3)
    aim = goal()
    rows = list(
        search_all(
            attacks={name: attack},
            goals=[aim],
            model=Chance(p=0.0),
            judge=judge,
            budget=budget,
            sampling=Sampling(),
            seed=7,
        )
    )
    tries = rows[0]["tries"]
    again = carried(attack, name=name, goal=aim, budget=budget, seed=7, tries=tries)
    assert again == prompt(rows[0]), "with its own request it is the attempt that was made"
    like = Goal(id=aim.id, norm=aim.norm, prompt=BENIGN, family=aim.family)
    other = carried(attack, name=name, goal=like, budget=budget, seed=7, tries=tries)
    assert other is not None
    assert other != again
    assert other.expect == BENIGN.expect
    assert aim.prompt.request not in other.request


def test_what_needs_weights_carries_nothing_and_what_ended_before_neither() -> None:
    aim = goal()
    assert carried(plugin.build("attack", "gcg", {}), name="gcg", goal=aim, budget=Budget(), seed=0, tries=1) is None
    direct = plugin.build("attack", "direct", {})
    assert carried(direct, name="direct", goal=aim, budget=Budget(tries=1), seed=0, tries=9) is None
