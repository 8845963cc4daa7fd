"""The verbs: protocols with one keyword-only method each. Implementations inherit nothing.

Nothing here runs; a plug-in is any frozen dataclass with the right method.
Source: the table of verbs in ARCHITECTURE.md.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from gnomon.core.types import Json, Record, Score, Transcript, Verdict

Shard = TypeVar("Shard", contravariant=True)
Direction = Literal["higher is better", "higher is worse"]


class LossOut(NamedTuple):
    """What a loss returns: a scalar tensor with gradient, and detached numbers to log."""

    loss: Any
    metrics: Mapping[str, float]


class Loss(Protocol):
    """Training objective: a pure function of one batch."""

    def __call__(self, *, batch: Any) -> LossOut:
        """Loss of one batch, averaged as the source states; metrics are detached."""
        ...


class Dimension(Protocol):
    """A quantity that a transcript has more or less of: reward, gold, detector, feedback."""

    @property
    def direction(self) -> Direction:
        """Whether more of it is better or worse."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value that `score` returns."""
        ...

    def score(self, *, transcript: Transcript) -> Score:
        """Judge the reply of a transcript; empty text has a stated result."""
        ...


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What an attack tries to bring about: a conversation that asks for a breach of one norm."""

    id: str
    norm: str
    prompt: Transcript
    family: str = ""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that one attack may spend on one goal."""

    tries: int = 1
    """Conversations that the target answers."""
    tokens: int = 1_000_000
    """Of the target and of the attacker's model together."""
    asks: int = 1_000
    """Conversations that the attacker's own model goes on with."""
    works: int = 10_000
    """Pieces of work on the target's weights."""
    seconds: float | None = None
    """That its requests take, those of the attacker's model among them; None: no limit."""
    money: float | None = None
    """By the prices of the run; None: no limit."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One conversation that an attack wants answered by the target; it is sent a `Reply`."""

    prompt: Transcript
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One conversation that the attacker's own model is to go on with; the attack is sent the `Transcript`."""

    prompt: Transcript
    note: str = ""
    needed: bool = True
    """Whether the attack ends where no answer can be had; else it is sent None, and goes on with its own words."""


@dataclass(frozen=True, kw_only=True)
class Inside:
    """Work on the target's own weights, for white-box attacks; the attack is sent what `work` returns."""

    work: Callable[[Any], Any]
    """Takes the `models.local.LocalModel` that is attacked, and leaves it as it was."""
    note: str = ""


Step = Attempt | Ask | Inside
"""What an attack may yield."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The target's answer to an attempt, and how far the norm's detector was moved by it."""

    transcript: Transcript
    score: Score
    breached: bool
    progress: float | None = None
    """The way to a breach that the score has gone, 0 to 1, whichever way the detector counts; None: not known."""


class Attack(Protocol):
    """A search for a breach, without I/O: it yields a step and is sent what came of it."""

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        """Yield steps, receive what came of them; return when done or when the budget is spent."""
        ...


class Screen(Protocol):
    """A check of one pending message in the light of those before it."""

    def check(self, *, pending: Transcript, past: Sequence[Verdict]) -> Verdict:
        """Judge the last message of `pending`; `past` holds this session's earlier verdicts."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How replies are drawn."""

    max_new_tokens: int = 64
    """Tokens after which a reply is cut."""
    temperature: float = 0.0
    """0 = greedy."""
    top_p: float = 1.0
    seed: int = 0
    """Root of every row's own random stream, so a row does not depend on its batch."""


class Model(Protocol):
    """Anything that can answer conversations."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What was asked: `name`, and digests of `weights` and `template` where they are known."""
        ...

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One reply to each prompt, in order, each prompt with its assistant message appended."""
        ...


class Task(Protocol[Shard]):
    """Work on one shard: JSON in, JSON out, the same for the same input."""

    def __call__(self, shard: Shard, /) -> Json:
        """Do the work."""
        ...


@dataclass(frozen=True, kw_only=True)
class Result:
    """A shard's outcome; `resumed` says that it was read back and not computed again."""

    key: str
    value: Json
    resumed: bool = False


class Executor(Protocol):
    """Runs shards here, in processes or on a cluster; finished ones are never run again."""

    def map(self, *, task: Callable[[Any], Json], shards: Iterable[Any], key: Json) -> Iterator[Result]:
        """Results in the order of the shards; `key` names the task and all that its results depend on."""
        ...


class Sink(Protocol):
    """Where numbers and records go while something runs."""

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Take one number."""
        ...

    def record(self, record: Record) -> None:
        """Take one record."""
        ...


@dataclass(frozen=True)
class Quiet:
    """A sink that drops everything, so that no loop asks whether logging is on."""

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Drop a number."""

    def record(self, record: Record) -> None:
        """Drop a record."""
