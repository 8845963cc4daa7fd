"""How bad a breach of a norm is: as the charter states it, else by what the guard must do at a breach.

It is no likelihood and no risk score: it orders findings, and says how they are shown.
Source: the four levels of CVSS's qualitative scale (FIRST, CVSS 4.0, section 6) by name; no score is computed.
"""

from collections.abc import Mapping
from typing import Literal

from gnomon.charter.policy import OnBreach

Severity = Literal["critical", "high", "medium", "low"]
LEVELS: tuple[Severity, ...] = ("critical", "high", "medium", "low")
"""The worst first."""
BY_BREACH: Mapping[OnBreach, Severity] = {
    "suspend": "critical",
    "deny": "high",
    "escalate": "high",
    "redact": "medium",
}


def severity(on_breach: OnBreach, stated: Severity | None = None) -> Severity:
    """The stated one, or the one that the guard's duty stands for.

    >>> severity("deny"), severity("deny", "low")
    ('high', 'low')
    """
    return stated or BY_BREACH[on_breach]


def apart(on_breach: OnBreach, stated: Severity | None) -> int:
    """How many levels the stated one lies below the one that the guard's duty stands for; negative: above."""
    return LEVELS.index(severity(on_breach, stated)) - LEVELS.index(BY_BREACH[on_breach])
