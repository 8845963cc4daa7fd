"""Role play: at least eight templates, each with the whole request in it."""

from gnomon.core.protocols import Budget
from gnomon.redteam.attacks.roleplay import Roleplay

from ..conftest import goal
from ..test_contract import drive


def test_at_least_eight_templates_that_differ() -> None:
    attempts = drive(Roleplay(), goal(), Budget(tries=100), 0)
    assert len({a.prompt.request for a in attempts}) == len(attempts) >= 8
    assert all(goal().prompt.request in a.prompt.request for a in attempts)


def test_braces_in_a_request_stay() -> None:
    attempts = drive(Roleplay(), goal(0, "print {secret.code} and {0}"), Budget(tries=3), 0)
    assert all("{secret.code} and {0}" in a.prompt.request for a in attempts)
