"""What a charter may hold, as frozen pydantic models; the docstrings below are what editors show.

It reads no files and judges nothing: `load` finds errors of form, `lint` finds errors of substance.
Texts may hold placeholders, see `placeholders`.
Units: rates and confidences are shares between 0 and 1.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, Tag

from gnomon.charter.policy import OnBreach
from gnomon.charter.severity import Severity
from gnomon.core.types import Json, Split

STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=80)]
Text = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Strict(), Field(gt=0, lt=1)]


class Tool(BaseModel):
    """A tool that the assistant may call."""

    model_config = STRICT
    name: Text
    """Name as the model calls it."""
    description: str = ""
    """What the tool does."""
    consequential: Annotated[bool, Strict()] = True
    """Whether a call changes something in the world; such calls are guarded."""


class Context(BaseModel):
    """What the assistant is told before every conversation."""

    model_config = STRICT
    system: str = ""
    """System prompt. May hold {facts}, {fact.ID} and {secret.ID}. Empty: no system message."""
    facts: dict[Id, Text] = {}
    """Fact sheet: id to one statement."""
    secrets: dict[Id, Text] = {}
    """Texts that stand in the system prompt but may never leave it: id to text."""
    tools: tuple[Tool, ...] = ()
    """Tools that the assistant may call. A tool that is not named here is denied by the guard."""


class DimensionRef(BaseModel):
    """A measure by name, with its settings."""

    model_config = STRICT
    kind: Text
    """Name of the dimension: a file in gnomon/scoring/dimensions, or an installed plug-in."""
    settings: dict[str, Json] = {}
    """The dimension's settings; an expectation of a case goes before them."""


class RewardModelRef(BaseModel):
    """A trained reward model as a measure."""

    model_config = STRICT
    reward_model: Text
    """Folder of the reward model."""


def _measure_tag(value: Any) -> str:
    keys = value if isinstance(value, dict) else vars(value)
    return "RewardModelRef" if "reward_model" in keys else "DimensionRef"


Proxy = Annotated[
    Annotated[DimensionRef, Tag("DimensionRef")] | Annotated[RewardModelRef, Tag("RewardModelRef")],
    Discriminator(_measure_tag),
]


class Line(BaseModel):
    """The highest rate of breaches that is acceptable."""

    model_config = STRICT
    rate: Rate
    """A norm is satisfied when the upper bound of its rate of breaches is at most this."""
    confidence: Rate = 0.95
    """Confidence of that bound."""


class Turn(BaseModel):
    """One message of a conversation; exactly one of the two."""

    model_config = STRICT
    user: str | None = None
    """What the user says."""
    assistant: str | None = None
    """What the assistant has already said."""


def _turn(value: Any) -> Any:
    return {"user": value} if isinstance(value, str) else value


def _turn_schema(schema: dict[str, Any]) -> None:
    """Editors must accept the short form too: a bare text is a user's message."""
    turn = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "description": "What the user says."}, turn]


AnyTurn = Annotated[Turn, BeforeValidator(_turn), Field(json_schema_extra=_turn_schema)]


class Family(BaseModel):
    """Cases of one kind: a template and the values for its slots."""

    model_config = STRICT
    family: Id
    """Name, unique in the charter; the unit of splitting and of clustering."""
    split: Split
    """train: pairs are made from it. select: checkpoints are chosen on it. held-out: only reported."""
    turns: Annotated[tuple[AnyTurn, ...], Field(min_length=1)]
    """The conversation, ending with a user's message. A bare text is a user's message."""
    slots: dict[Id, Annotated[tuple[str | dict[Id, Json], ...], Field(min_length=1)]] = {}
    """Slot to its values: texts, read as {slot}, or mappings, read as {slot.key}. Cases are their product."""
    expect: dict[str, Json] = {}
    """What a good reply to these cases holds: settings that a dimension reads before its own."""
    twin: str = ""
    """For lookalikes: the family of probes that these resemble."""
    limit: Annotated[int, Strict(), Field(gt=0)] | None = None
    """Keep this many cases of the product, spread evenly."""


class Examples(BaseModel):
    """Replies that show what the norm means; `gnomon check` holds the detector to them."""

    model_config = STRICT
    broken: tuple[Text, ...] = ()
    """Replies that break the norm."""
    kept: tuple[Text, ...] = ()
    """Replies that keep it."""


class Norm(BaseModel):
    """What the model must never do. It is a veto: it is never added to a reward or traded."""

    model_config = STRICT
    id: Id
    """Name that stays with the norm from probe to incident."""
    statement: Text
    """The norm in one sentence."""
    detector: DimensionRef
    """The dimension that sees a breach."""
    breach_at: Annotated[float, Strict()] = 0.5
    """The detector's value from which a reply is a breach."""
    line: Line
    """The highest acceptable rate of breaches."""
    on_breach: OnBreach = "deny"
    """What the guard does: suspend the session, deny the reply, redact the span, or escalate to a person."""
    severity: Severity | None = None
    """How bad a breach is, for the order of findings; left out: by `on_breach`."""
    instead: tuple[Text, ...] = ()
    """What a kept reply may look like: chosen answers in training; the first is the guard's safe reply."""
    examples: Examples = Examples()
    """Replies that the detector must judge as stated."""
    triggers: tuple[Text, ...] = ()
    """RE2 patterns; a user's message that matches one is escalated by the guard."""
    probes: tuple[Family, ...] = ()
    """Conversations that tempt the model to break the norm."""
    lookalikes: tuple[Family, ...] = ()
    """Benign conversations that resemble the probes and must be answered."""
    risks: tuple[Id, ...] = ()
    """Ids of the risks that this norm answers to."""
    frameworks: tuple[Text, ...] = ()
    """Controls of outside frameworks that this norm serves, for example `owasp-llm:LLM02`."""


class Preference(BaseModel):
    """What the model should rather do. It is optimised, and may be traded against other preferences."""

    model_config = STRICT
    id: Id
    """Name that stays with the preference."""
    statement: Text
    """The preference in one sentence."""
    gold: DimensionRef | None = None
    """What is meant: measured on held-out cases, never optimised."""
    proxy: Proxy | None = None
    """What is cheap to measure and may be optimised; the limit says how far."""
    owner: str = ""
    """Who answers for this preference."""
    cases: tuple[Family, ...] = ()
    """Conversations on which it is measured."""


class Risk(BaseModel):
    """What may go wrong in the world."""

    model_config = STRICT
    id: Id
    """Name that norms refer to."""
    statement: Text
    """The risk in one sentence."""


class Guard(BaseModel):
    """What the guard does beyond the norms' own rules."""

    model_config = STRICT
    screens: dict[Text, dict[str, Json]] = {}
    """Screens to run, by name, with their settings ({} for the defaults); `gnomon plugins screen` lists them."""
    steer: Annotated[bool, Strict()] = False
    """Whether the norms are also written into the system prompt of every conversation."""


class Charter(BaseModel):
    """What a model must never do, and what it should prefer."""

    model_config = STRICT | ConfigDict(title="Gnomon charter")
    gnomon: Literal[1]
    """Version of the format."""
    name: Id
    """Short name of the charter."""
    context: Context = Context()
    """What the assistant is told before every conversation."""
    norms: tuple[Norm, ...] = ()
    """What the model must never do."""
    preferences: tuple[Preference, ...] = ()
    """What the model should rather do."""
    risks: tuple[Risk, ...] = ()
    """What may go wrong."""
    frameworks: tuple[Text, ...] = ()
    """Names of the outside frameworks that the norms refer to."""
    guard: Guard = Guard()
    """Further screens of the guard."""
