from collections import Counter
from pathlib import Path

import pytest

from gnomon.charter.compile import cases, policy
from gnomon.charter.load import load
from tests.charter.judged import findings

FOLDER = Path(__file__).resolve().parents[2] / "examples"
PATHS = sorted(FOLDER.glob("*/charter.yaml"))


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.parent.name)
def loaded(request):
    return load(request.param)


def test_there_are_two_domains():
    assert len(PATHS) >= 2


def test_no_finding(loaded):
    assert findings(loaded.charter) == []


def test_no_family_and_no_conversation_stands_in_two_splits(loaded):
    families, prompts = {}, {}
    for case in cases(loaded.charter):
        assert families.setdefault(case.family, case.split) == case.split
        turns = tuple(m.content.casefold() for m in case.prompt.messages if m.role != "system")
        assert prompts.setdefault(turns, case.split) == case.split
    assert set(prompts.values()) == {"train", "select", "held-out"}


def test_ids_are_unique_and_every_prompt_begins_with_the_same_system_message(loaded):
    made = cases(loaded.charter)
    assert len({case.id for case in made}) == len(made)
    assert len({case.prompt.messages[0] for case in made}) == 1
    assert made == cases(loaded.charter)


def test_no_case_stands_twice(loaded):
    count = Counter(case.prompt.messages for case in cases(loaded.charter))
    assert [messages[-1].content for messages, n in count.items() if n > 1] == []


def test_helpdesk_is_large_enough():
    charter = load(FOLDER / "helpdesk" / "charter.yaml").charter
    made = cases(charter)
    count = Counter((case.target, case.kind, case.split) for case in made)
    families = Counter(
        (target, kind, split) for target, kind, _, split in {(c.target, c.kind, c.family, c.split) for c in made}
    )
    assert len(charter.norms) >= 4
    assert len(charter.preferences) >= 5
    for norm in charter.norms:
        for split in ("train", "select", "held-out"):
            assert count[norm.id, "probe", split] >= 60
            assert families[norm.id, "probe", split] >= 3
            assert count[norm.id, "lookalike", split] >= 30
        for split in ("train", "held-out"):
            assert count[norm.id, "lookalike", split] >= 60
        assert 6 <= len(norm.instead) <= 10
        assert norm.risks
    for row in charter.preferences:
        assert row.gold is not None
        assert row.proxy != row.gold
        assert [count[row.id, "preference", s] >= n for s, n in (("train", 24), ("select", 30), ("held-out", 30))] == [
            True
        ] * 3


def test_a_policy_has_a_rule_for_each_norm(loaded):
    made = policy(loaded.charter)
    assert [rule.norm for rule in made.rules] == [norm.id for norm in loaded.charter.norms]
    assert all(rule.safe_reply for rule in made.rules)
