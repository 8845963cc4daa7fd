import dataclasses

import pytest

from gnomon.charter.policy import Policy, Rule
from gnomon.core.canonical import from_builtins, to_builtins


def test_a_policy_is_frozen_and_survives_json() -> None:
    policy = Policy(
        name="p", rules=(Rule(norm="n", statement="s", kind="pattern", settings={"any": ["x"]}),), tools={"t": True}
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.name = "q"  # type: ignore[misc]
    assert from_builtins(to_builtins(policy), Policy) == policy
