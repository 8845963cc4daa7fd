"""The guard around an agent: a gate that asks it at every message, and ready policies for AgentDojo's suites.

`screens` reads what tools give back and denies what looks like an injection or hides text; `taint` lets a call that
changes something run only where each argument stands word for word in the user's request, or is one that may hold any
text (a mail's body, not its recipient); `both` is both. A charter's own policy serves, too.
It decides nothing itself. Nobody answers here, so that an escalation is a stop, and is counted as a person asked.
Fails: closed, as the guard does; a suite without a table of tools, or a name that is no policy, is a SettingsError.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gnomon.charter.compile import policy as compiled_policy
from gnomon.charter.load import load
from gnomon.charter.policy import Policy
from gnomon.core.errors import SettingsError, choices
from gnomon.core.types import Transcript
from gnomon.guard.service import Guard, Stage
from gnomon.redteam.agents.episode import Gate, Ruling

NAMES = ("screens", "taint", "both")
PATIENT = {"limit_ms": 60_000.0}
"""A busy machine must not turn a slow answer into a denial while something is measured."""
SCREENS = {"injection": PATIENT, "hidden_text": PATIENT}

CHANGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "banking": {
        "send_money": ("subject", "date"),
        "schedule_transaction": ("subject", "date"),
        "update_scheduled_transaction": ("subject", "date"),
        "update_password": (),
        "update_user_info": (),
    },
    "slack": {
        "send_direct_message": ("body",),
        "send_channel_message": ("body",),
        "post_webpage": ("content",),
        "get_webpage": (),
        "add_user_to_channel": (),
        "invite_user_to_slack": (),
        "remove_user_from_slack": (),
    },
    "travel": {
        "reserve_hotel": (),
        "reserve_car_rental": (),
        "reserve_restaurant": (),
        "send_email": ("subject", "body"),
        "create_calendar_event": ("title", "description"),
        "cancel_calendar_event": (),
    },
    "workspace": {
        "send_email": ("subject", "body"),
        "delete_email": (),
        "create_calendar_event": ("title", "description"),
        "cancel_calendar_event": (),
        "reschedule_calendar_event": (),
        "add_calendar_event_participants": (),
        "append_to_file": ("content",),
        "create_file": ("content",),
        "delete_file": (),
        "share_file": (),
    },
    "documents": {},
}
"""By suite: every tool that changes something or tells it to others, and its arguments that may hold any text."""


@dataclass(frozen=True, kw_only=True)
class Guarding:
    """A policy at work around an agent."""

    name: str
    policy: Policy
    free: Mapping[str, tuple[str, ...]]
    """Tool name to arguments that may hold any text."""

    @property
    def gate(self) -> Gate:
        """A gate that asks a guard of this policy; no session is remembered from one task to the next."""
        return around(Guard(policy=self.policy))


def guarding(name: str, *, suite: str, tools: tuple[str, ...]) -> Guarding:
    """The policy of this name for a suite with these tools; a path is a charter, whose own tools and screens hold."""
    if name not in NAMES:
        if not Path(name).suffix:
            raise SettingsError(f"no guard policy '{name}'; {choices(name, NAMES)}; or name a charter's file")
        return Guarding(name=name, policy=compiled_policy(load(Path(name)).charter), free={})
    if suite not in CHANGES:
        raise SettingsError(f"there is no table of tools for '{suite}'; write a charter with its tools, and name that")
    tainted = name in ("taint", "both")
    changes = CHANGES[suite]
    policy = Policy(
        name=f"agentdojo-{suite}-{name}",
        rules=(),
        tools={tool: tainted and tool in changes for tool in tools},
        screens=SCREENS if name in ("screens", "both") else {"hidden_text": PATIENT},
    )
    return Guarding(name=name, policy=policy, free={tool: free for tool, free in changes.items() if free})


def around(guard: Guard) -> Gate:
    """A gate that asks this guard."""

    def gate(pending: Transcript, stage: str) -> Ruling:
        known: Stage = next((s for s in STAGES if s == stage), "message")
        verdict = guard.check(pending=pending, stage=known)
        text = verdict.replacement if verdict.action == "modify" else pending.messages[-1].content
        changed_call = verdict.action == "modify" and bool(pending.messages[-1].tool_calls)
        return Ruling(
            passes=verdict.action in ("allow", "modify") and not changed_call,
            text=text,
            why=f"{verdict.rule or 'guard'}: {verdict.reason}" if verdict.action != "allow" else "",
            person=verdict.action == "escalate",
        )

    return gate


STAGES: tuple[Stage, ...] = ("request", "reply", "tool call", "tool result")
