"""How verdicts compare and combine, and the words of those that fail closed.

It decides nothing about a text: screens do, and `decide` puts their answers together here.
Source: the order suspend > deny > escalate > modify > allow in ARCHITECTURE.md.
Fails: closed; what is not a sound verdict counts as a denial.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gnomon.core.types import Action, Verdict

SEVERITY: Mapping[Action, int] = {"allow": 0, "modify": 1, "escalate": 2, "deny": 3, "suspend": 4}
ALLOW = Verdict(action="allow")
LONGEST_REASON = 300


def denied(rule: str, reason: str, *, norm: str = "") -> Verdict:
    """A denial by a mechanism, its reason cut to a length that a log can hold."""
    return Verdict(action="deny", norm=norm, rule=rule, reason=reason[:LONGEST_REASON])


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The most severe verdict, the earliest of equals."""
    return max(verdicts, key=lambda v: SEVERITY[v.action])


def unsound(verdict: Any) -> str:
    """Why a value is no verdict that may be believed, or the empty string."""
    if not isinstance(verdict, Verdict):
        return f"the screen returned {type(verdict).__name__} and no verdict"
    if verdict.action not in SEVERITY:
        return f"the screen returned the unknown action {str(verdict.action)[:40]!r}"
    for name, value in verdict.scores.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"the screen gave '{name}' a score that is no finite number"
    return ""


def merged_scores(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Every screen's score; the worst one where a name occurs twice."""
    scores: dict[str, float] = {}
    for verdict in verdicts:
        for name, value in verdict.scores.items():
            scores[name] = max(value, scores.get(name, value))
    return scores
