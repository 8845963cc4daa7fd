"""Comparing and combining verdicts."""

from gnomon.core.types import Verdict
from gnomon.guard.verdicts import LONGEST_REASON, SEVERITY, denied, merged_scores, unsound, worst


def test_the_order_of_severity() -> None:
    assert sorted(SEVERITY, key=SEVERITY.__getitem__) == ["allow", "modify", "escalate", "deny", "suspend"]


def test_the_worst_is_the_first_of_the_most_severe() -> None:
    verdicts = [
        Verdict(action="deny", rule="a"),
        Verdict(action="suspend", rule="b"),
        Verdict(action="suspend", rule="c"),
    ]
    assert worst(verdicts).rule == "b"


def test_a_reason_is_cut() -> None:
    assert len(denied("r", "x" * 10_000).reason) == LONGEST_REASON


def test_the_worst_score_of_a_name_is_kept() -> None:
    verdicts = [Verdict(action="allow", scores={"a": 0.1, "b": -1.0}), Verdict(action="allow", scores={"a": 0.9})]
    assert merged_scores(verdicts) == {"a": 0.9, "b": -1.0}


def test_what_is_no_verdict_is_named() -> None:
    assert unsound(Verdict(action="allow", scores={"a": 1})) == ""
    assert "int" in unsound(7)
    assert "finite" in unsound(Verdict(action="allow", scores={"a": float("inf")}))
    assert "finite" in unsound(Verdict(action="allow", scores={"a": True}))
