"""Asks one model for a search: in batches, or many requests under way at an endpoint; and remembers every answer.

Each request has a name of its own (attack, goal, number), which stands in its expectation while it is asked, so that
its random stream depends on nothing but itself: not on the batch, nor on the order in which others were answered. Tries
of one number share a seed, which models that know no streams draw from.
Answers are kept by content key: who was asked, how, what, and for which request. A killed search reads them back.
Units: seconds; of a batch, an equal share. Tokens as the endpoint counts them, or None.
Fails: open for single errors (they are answers, and kept once the model has answered anything); a model that never
answers raises EndpointError, a spent budget of the endpoint BudgetSpent.
"""

import hashlib
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gnomon.core import seeds
from gnomon.core.canonical import canonical, from_builtins, to_builtins
from gnomon.core.errors import BudgetSpent, EndpointError
from gnomon.core.protocols import Model, Sampling
from gnomon.core.types import Json, Message, Transcript
from gnomon.executor.answers import KEY, Store
from gnomon.models.endpoint import Endpoint
from gnomon.models.stream import Came, Stream
from gnomon.models.wire import Failure, Reply

BATCH = 64
"""Prompts that a model in this process gets at once; so many answers are lost by a kill."""
NAME = "request of the search"
PATIENCE = 20
"""Failed prompts in a row, before any reply at all, after which the endpoint counts as not there."""


class Got(NamedTuple):
    """What came of one request."""

    name: int
    answer: Transcript | EndpointError
    tokens: tuple[int, int] | None
    """In and out as the endpoint counts them; None: it does not say."""
    seconds: float


@dataclass
class Batched:
    """Any model, by batches."""

    model: Model
    patient: bool = False
    """Whether a model that never answers is borne."""
    ever: bool = False
    """Whether it has answered anything yet."""
    waiting: list[tuple[int, Transcript]] = field(default_factory=list)
    drawn: Sampling = field(default_factory=Sampling)
    """How the replies to those are drawn."""

    def takes(self, drawn: Sampling) -> bool:
        """Whether it takes a request that is drawn so: a batch shares its seed."""
        return len(self.waiting) < BATCH and (not self.waiting or drawn == self.drawn)

    def put(self, name: int, prompt: Transcript, drawn: Sampling) -> None:
        """Take a request."""
        self.waiting.append((name, prompt))
        self.drawn = drawn

    def run(self) -> list[Got]:
        """Ask what waits, in one batch; after a failed batch every prompt by itself, once."""
        asked = list(self.waiting)
        self.waiting.clear()
        start = time.monotonic()
        answers = self._asked([prompt for _, prompt in asked])
        each = (time.monotonic() - start) / len(asked)
        return [Got(name, answer, None, each) for (name, _), answer in zip(asked, answers, strict=True)]

    def _asked(self, prompts: Sequence[Transcript]) -> list[Transcript | EndpointError]:
        whole = self._batch(prompts)
        if not isinstance(whole, EndpointError):
            return list(whole)
        if len(prompts) == 1:
            return [whole]
        answers: list[Transcript | EndpointError] = []
        for prompt in prompts:
            one = self._batch([prompt])
            answers.append(one if isinstance(one, EndpointError) else one[0])
            if not self.ever and not self.patient and len(answers) >= PATIENCE and isinstance(one, EndpointError):
                raise one
        return answers

    def _batch(self, prompts: Sequence[Transcript]) -> list[Transcript] | EndpointError:
        try:
            found = self.model.generate(prompts=prompts, sampling=self.drawn)
        except BudgetSpent:
            raise
        except EndpointError as error:
            return error
        self.ever = True
        return found


@dataclass
class Streamed:
    """An endpoint, with many requests under way."""

    model: Endpoint
    stream: Stream
    patient: bool = False
    ever: bool = False
    failed: int = 0
    under_way: dict[int, Transcript] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """How many more requests it takes now."""
        return self.model.concurrency - len(self.under_way)

    def takes(self, drawn: Sampling) -> bool:
        """Whether it takes one more request, however that is drawn."""
        return self.free > 0

    def put(self, name: int, prompt: Transcript, drawn: Sampling) -> None:
        """Send a request."""
        self.under_way[name] = prompt
        self.stream.put(name, prompt.messages, drawn, seeds.stream(drawn.seed, prompt.id, 0))

    def came(self, one: Came) -> Got:
        """Read what came of a request. Raises what ends the search."""
        prompt = self.under_way.pop(one.name)
        if isinstance(one.what, Reply):
            self.ever = True
            tokens = (one.what.tokens_in, one.what.tokens_out) if one.what.counted else None
            return Got(one.name, Transcript((*prompt.messages, one.what.message), prompt.expect), tokens, one.seconds)
        if not isinstance(one.what, Failure):
            raise one.what
        self.failed += 1
        error = EndpointError(one.what.what)
        if not self.patient and (one.what.fatal or (not self.ever and self.failed >= PATIENCE)):
            raise error
        return Got(one.name, error, None, one.seconds)


Asker = Batched | Streamed


def named(prompt: Transcript, name: str) -> Transcript:
    """A prompt with its request's name in what is expected, where random streams come from."""
    return replace(prompt, expect={**prompt.expect, NAME: name})


def plain(answer: Transcript) -> Transcript:
    """An answer without its request's name; what the model itself expects of it stays."""
    return replace(answer, expect={key: value for key, value in answer.expect.items() if key != NAME})


@dataclass
class Memory:
    """Answers of earlier sittings, and those of this one."""

    store: Store | None
    origin: bytes

    @staticmethod
    def of(store: Store | None, model: Model, sampling: Sampling) -> "Memory":
        """The answers of one model under one sampling."""
        return Memory(store, hashlib.sha256(canonical([dict(model.identity), to_builtins(sampling)])).digest())

    def key(self, prompt: Transcript) -> bytes:
        """The name of a request's answer; the prompt is named."""
        return hashlib.sha256(self.origin + b"redteam" + prompt.id.encode()).digest()[:KEY]

    def recall(self, prompt: Transcript) -> tuple[Got, float] | None:
        """What came of it in an earlier sitting, and when by the run's clock."""
        row = None if self.store is None else self.store.get(self.key(prompt))
        if row is None:
            return None
        if "error" in row:
            answer: Transcript | EndpointError = EndpointError(row["error"])
        else:
            said = tuple(from_builtins(m, Message) for m in row["said"])
            answer = Transcript(said if row["whole"] else (*prompt.messages, *said), row.get("expect", prompt.expect))
        tokens = None if row["tokens"] is None else (row["tokens"][0], row["tokens"][1])
        return Got(-1, answer, tokens, row["seconds"]), row["at"]

    def keep(self, prompt: Transcript, got: Got, at: float) -> None:
        """Take an answer; it is safe after the store's `flush`."""
        if self.store is None:
            return
        row: dict[str, Json] = {"tokens": got.tokens, "seconds": round(got.seconds, 6), "at": round(at, 6)}
        if isinstance(got.answer, EndpointError):
            row["error"] = str(got.answer)
        else:
            n = len(prompt.messages)
            whole = got.answer.messages[:n] != prompt.messages
            if got.answer.expect != prompt.expect:
                row["expect"] = to_builtins(got.answer.expect)
            row |= {"said": to_builtins(list(got.answer.messages[0 if whole else n :])), "whole": whole}
        self.store.add(self.key(prompt), row)


def taken(came: "queue.SimpleQueue[Came]") -> list[Came]:
    """At least one, and all that are there."""
    found = [came.get()]
    while True:
        try:
            found.append(came.get_nowait())
        except queue.Empty:
            return found
