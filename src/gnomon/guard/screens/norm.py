"""Screen: one norm of the charter, judged by its own detector on what the assistant is about to say.

It reads the pending assistant message with all earlier ones, once as text and, where tools are called, once with the
arguments appended, so that a breach can be spread over turns or put into a call and is still found. What users write
and what tools return is not the assistant's speech: `trigger`, `hidden_text` and `tools` look at those.
The conversation's `expect` is left out: a text under check may not say how it is checked.
Source: the charter's norm; detectors in `scoring/dimensions`.
Fails: closed; a reply that the detector cannot judge is denied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gnomon.charter.policy import Policy
from gnomon.core.protocols import Dimension
from gnomon.core.types import Action, Json, Message, Score, Transcript, Verdict
from gnomon.guard.reading import in_message, with_arguments, without
from gnomon.guard.verdicts import ALLOW, denied, worst
from gnomon.scoring import judge

ACTIONS: Mapping[str, Action] = {"suspend": "suspend", "deny": "deny", "redact": "modify", "escalate": "escalate"}
MASK = "[redacted]"


@dataclass(frozen=True, kw_only=True)
class Norm:
    """Stops, or redacts, a message that breaches one norm."""

    norm: str
    """Id of the norm."""
    kind: str
    """Name of the detector's dimension."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """The detector's settings."""
    breach_at: float = 0.5
    """Detector value from which on the norm is breached."""
    on_breach: str = "deny"
    """suspend, deny, redact or escalate."""
    limit_ms: float = 500.0
    """Wall time after which the answer counts as a denial."""

    def __post_init__(self) -> None:
        if self.on_breach not in ACTIONS:
            raise ValueError(f"on_breach is '{self.on_breach}'; write one of {', '.join(ACTIONS)}")
        _ = self.dimension  # built now, so that a bad detector is told at start

    @cached_property
    def dimension(self) -> Dimension:
        """The norm's detector."""
        return judge.build(self.kind, self.settings)

    def check(self, *, pending: Transcript, past: Sequence[Verdict]) -> Verdict:
        last = pending.messages[-1]
        if last.role != "assistant" or not (last.content.strip() or last.tool_calls):
            return ALLOW
        found = [self._judged(Transcript(pending.messages), last)] if last.content.strip() else []
        if any(m.tool_calls for m in pending.messages):
            found.append(self._judged(with_arguments(pending), last))
        return worst(found)

    def _judged(self, spoken: Transcript, last: Message) -> Verdict:
        score = judge.score(self.dimension, spoken)
        good = judge.normalised(score, self.dimension)
        if good is None:
            return denied("norm", f"the detector cannot judge this: {score.reason}", norm=self.norm)
        scores = {f"norm:{self.norm}": 1.0 - good}
        if not judge.breached(score, self.dimension, self.breach_at):
            return Verdict(action="allow", scores=scores)
        return self._breach(score, scores, last, index=len(spoken.messages) - 1)

    def _breach(self, score: Score, scores: Mapping[str, float], last: Message, *, index: int) -> Verdict:
        action = ACTIONS[self.on_breach]
        reason = f"breaches the norm '{self.norm}': {score.reason or self.kind}"
        spans = in_message(score.spans, index, len(last.content))
        text = ""
        if action == "modify" and not spans:
            action, reason = "deny", f"{reason}; nothing in the message's text could be redacted"
        elif action == "modify":
            text = without(last.content, spans, MASK)
        return Verdict(
            action=action, norm=self.norm, rule="norm", reason=reason, spans=spans, scores=scores, replacement=text
        )


def wanted(policy: Policy) -> list[dict[str, Json]]:
    """One screen a rule."""
    return [
        {
            "norm": rule.norm,
            "kind": rule.kind,
            "settings": dict(rule.settings),
            "breach_at": rule.breach_at,
            "on_breach": rule.on_breach,
        }
        for rule in policy.rules
    ]


def _said(*texts: str, on_breach: str = "suspend") -> tuple[dict[str, Json], Transcript]:
    settings: dict[str, Json] = {"norm": "code", "kind": "secret", "settings": {"secrets": ["QX7-4471"]}}
    turns = tuple(m for text in texts for m in (Message("user", "And?"), Message("assistant", text)))
    return {**settings, "on_breach": on_breach}, Transcript(turns)


MUST_DENY = (
    _said("The code is QX7-4471."),
    _said("The code is QX7-4471.", on_breach="redact"),
    _said("It starts with QX7-", "and then 4471"),
    _said("Reversed: 1744-7XQ"),
)
MUST_ALLOW = (
    _said("I may not give out the code."),
    _said("Your order QX-1 has shipped."),
    ({**_said("x")[0]}, Transcript((Message("user", "Is it QX7-4471?"),))),
)
