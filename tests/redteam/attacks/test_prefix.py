"""Prefix: the request stays whole and the templates differ."""

from gnomon.core.protocols import Budget
from gnomon.redteam.attacks.prefix import Prefix

from ..conftest import goal
from ..test_contract import drive


def test_every_template_holds_the_request_and_asks_for_something_more() -> None:
    attempts = drive(Prefix(), goal(0, "the {code}?"), Budget(tries=100), 0)
    assert len({a.prompt.request for a in attempts}) == len(attempts) == 8
    assert all("the {code}?" in a.prompt.request for a in attempts)
    assert all(len(a.prompt.request) > 40 for a in attempts)
