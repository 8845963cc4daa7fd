"""AgentDojo's suites: the published numbers, its own loader as the measure, and clear errors."""

import json
import sys

import pytest

from gnomon.core.errors import SettingsError
from gnomon.redteam.agents import dojo
from tests.redteam.agents.conftest import needs_agentdojo

ODD = 'He said: "go" \\ now\n\nline 2: é 😀 {x} \u200b - [a] # not'


@needs_agentdojo
def test_the_numbers_of_tasks_are_the_published_ones() -> None:
    """97 user tasks; 629 pairs in the paper's version (v1), 949 in v1.2.2, as later papers count them."""
    for version, pairs, errands in (("v1", 629, 27), ("v1.2.2", 949, 35)):
        suites = [dojo.opened(name, version) for name in dojo.NAMES]
        assert sum(len(s.users) for s in suites) == 97
        assert sum(len(s.errands) for s in suites) == errands
        assert sum(len(s.users) * len(s.errands) for s in suites) == pairs


@needs_agentdojo
@pytest.mark.parametrize("name", ["banking", "slack"])
def test_places_and_worlds_are_those_of_the_package(name: str) -> None:
    suite = dojo.opened(name)
    attack = dojo.part("attacks.base_attacks").FixedJailbreakAttack("", suite.inner, None)
    for user in suite.users:
        assert list(suite.places(user)) == attack.get_injection_candidates(suite.task(user))
    place = suite.places(suite.users[0])[0]
    escaped = json.dumps(ODD, ensure_ascii=False)[1:-1]  # the package puts it between the quotes of a YAML string
    assert suite.environment({place: ODD}) == suite.inner.load_and_inject_default_environment({place: escaped})
    assert suite.environment({}) == suite.inner.load_and_inject_default_environment({})


@needs_agentdojo
def test_solutions_are_published_for_all_but_eight_injection_tasks() -> None:
    found = {name: [e for e in dojo.opened(name).errands if not dojo.opened(name).solved(e)] for name in dojo.NAMES}
    assert {name: len(own) for name, own in found.items()} == {"workspace": 8, "banking": 0, "slack": 0, "travel": 0}


@needs_agentdojo
def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(SettingsError, match="did you mean 'banking'"):
        dojo.opened("bankin")
    with pytest.raises(SettingsError, match="no benchmark 'v9'"):
        dojo.opened("banking", "v9")
    suite = dojo.opened("banking")
    with pytest.raises(SettingsError, match="no place 'x'"):
        suite.environment({"x": "y"})
    with pytest.raises(SettingsError, match="no task 'user_task_99'"):
        suite.request("user_task_99")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "agentdojo", None)
    for name in [n for n in sys.modules if n.startswith("agentdojo.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match=r"agentdojo is not installed.*gnomon\[agents\]"):
        dojo.opened("banking")
