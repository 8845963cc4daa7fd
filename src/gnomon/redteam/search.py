"""Drives attacks against a model: every unbroken goal goes on as soon as its reply is there, many at a time.

Between tries an attack may ask the attacker's own model, or work on the target's weights. The attacks do no I/O and the
model does no searching; every try is judged by the norm's detector. A model in this process is asked in batches, an
endpoint without waiting for the slowest. Random streams belong to requests, so order and batches change no row. With a
store every answer is kept as it comes, and a killed search goes on without asking it again; work on weights is done
again. What was answered is paid for and used before any budget is looked at, so a resumed search ends where it ended.
Units: see `spending`.
Fails: open for single errors of an endpoint (counted); a model that never answers, or whose own budget is spent, ends
the search; an attack that needs an attacker or weights that are not there ends with that as its reason.
"""

import heapq
import queue
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, cast

from gnomon.core.errors import EndpointError, GnomonError, SettingsError
from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Inside, Model, Sampling
from gnomon.core.seeds import generator, stream
from gnomon.core.types import Json, Transcript
from gnomon.executor.answers import Store
from gnomon.models.endpoint import Endpoint
from gnomon.models.stream import Came, Stream
from gnomon.models.wire import estimate
from gnomon.redteam.allocation import Bandit, Even
from gnomon.redteam.asking import Asker, Batched, Got, Memory, Streamed, named, plain, taken
from gnomon.redteam.lanes import OUTCOMES, Judge, Lane
from gnomon.redteam.spending import Meter, Prices, Whole, checked

__all__ = ["OUTCOMES", "Judge", "Plan", "Spent", "search", "search_all"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a search goes about its goals, and what the whole of it may spend."""

    allocation: Literal["even", "bandit"] = "even"
    """All attacks alike on all goals, or by what broke so far."""
    bandit_even: int = 1
    """With the bandit: first tries of every attack on every goal, before anything is chosen."""
    stop_below: float | None = None
    """A norm's search stops when nothing broke on so many goals that at most this share of such goals can."""
    whole: Whole = field(default_factory=Whole)
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        if self.stop_below is not None and not 0 < self.stop_below < 1:
            raise SettingsError(f"stop_below is {self.stop_below}; write a share between 0 and 1, or leave it out")
        if self.bandit_even < 0:
            raise SettingsError(f"bandit_even is {self.bandit_even}; write 0 or more")


@dataclass
class Spent:
    """What a search came to; filled when it ends."""

    tries: int = 0
    asks: int = 0
    tokens: int = 0
    seconds: float = 0.0
    money: float = 0.0
    ended: str = ""
    """The budget of the run that ended it; empty: none."""


class Gate(Protocol):
    """A model that decides before and after it asks another, as `guard.model.Guarded` does."""

    @property
    def model(self) -> Model:
        """What stands behind it."""
        ...

    def opened(self, prompt: Transcript) -> tuple[bool, Transcript]:
        """Whether the model behind it is asked, and with what; else what is said instead."""
        ...

    def passed(self, prompt: Transcript, answer: Transcript) -> Transcript:
        """The conversation as it goes on after the answer."""
        ...


def search(*, attack: Attack, **options: Any) -> Iterator[dict[str, Json]]:
    """Rows of one attack, each as soon as its goal is done; options as of `search_all`."""
    return search_all(attacks={type(attack).__module__.rpartition(".")[2]: attack}, **options)


def search_all(
    *,
    attacks: Mapping[str, Attack],
    goals: Sequence[Goal],
    model: Model,
    judge: Judge,
    budget: Budget,
    sampling: Sampling,
    seed: int,
    refused: Callable[[Transcript], bool] | None = None,
    attacker: Model | None = None,
    inside: Any = None,
    plan: Plan | None = None,
    store: Store | None = None,
    spent: Spent | None = None,
    done: Callable[[int], None] | None = None,
) -> Iterator[dict[str, Json]]:
    """One row for each attack and goal as soon as it is over: tries, the try at which it broke (or null), what it cost.

    `judge` gives the norm's score of a transcript, whether it is a breach and how near it came; `refused` says which
    kept replies were refusals. `attacker` is the model that attacks may ask; `inside` the local model whose weights
    they may work on. `store` keeps the answers; `spent` is told what all came to, `done` how many lanes are over.
    The same arguments give the same rows, if the models are as repeatable as their sampling; their order is that in
    which they end, which an endpoint decides.
    """
    plan = plan or Plan()
    checked(budget, plan.whole, plan.prices)
    lanes = [Lane(name, goal, attack, budget, seed) for name, attack in attacks.items() for goal in goals]
    if plan.whole.limited or plan.stop_below is not None or plan.allocation == "bandit":
        # A search that may end early must not have had the first goals only.
        order = {g.id: i for i, g in enumerate(generator(seed, "order").sample(list(goals), len(goals)))}
        lanes.sort(key=lambda lane: order[lane.goal.id])
    for place, lane in enumerate(lanes):
        lane.place = place
    with ExitStack() as stack:
        run = _Search(
            lanes=lanes,
            judge=judge,
            refused=refused,
            inside=inside,
            plan=plan,
            store=store,
            sampling=replace(sampling, seed=stream(seed, "search", sampling.seed) % 2**31),
            meter=Meter(plan.whole),
            gate=cast(Gate, model) if hasattr(model, "opened") and hasattr(model, "passed") else None,
        )
        run.connect(stack, model, attacker)
        for over, lane in enumerate(run.rows(), start=1):
            if done is not None:
                done(over)
            yield lane.row(timed=run.timed, allocation=plan.allocation)
        if spent is not None:
            meter = run.meter
            spent.tries, spent.asks, spent.tokens, spent.money = meter.tries, meter.asks, meter.tokens, meter.money
            spent.seconds, spent.ended = meter.seconds(), run.stopped


@dataclass(frozen=True)
class _Asked:
    """A request under way."""

    lane: Lane
    prompt: Transcript
    """With its name."""
    guess: tuple[int, int, float]
    """Tries, tokens and money set aside."""


class _Waiting(NamedTuple):
    """A prompt that is to be asked."""

    number: int
    """Of the lane's tries or asks."""
    place: int
    """Of the lane."""
    lane: Lane
    prompt: Transcript


@dataclass
class _Search:
    """A search under way."""

    lanes: Sequence[Lane]
    judge: Judge
    refused: Callable[[Transcript], bool] | None
    inside: Any
    plan: Plan
    store: Store | None
    sampling: Sampling
    meter: Meter
    gate: Gate | None
    target: Asker = field(init=False)
    attacker: Asker | None = None
    came: "queue.SimpleQueue[Came]" = field(default_factory=queue.SimpleQueue)
    memories: dict[bool, Memory] = field(default_factory=dict)
    waiting: dict[bool, list[_Waiting]] = field(default_factory=lambda: {True: [], False: []})
    """What is to be asked of the attacker's model (True), and of the target: heaps, the lane with the fewest first, so
    that who is next depends on what was answered and not on when."""
    under_way: dict[int, _Asked] = field(default_factory=dict)
    number: int = 0
    stopped: str = ""
    failure: GnomonError | None = None
    """What ends the search without rows."""

    @property
    def timed(self) -> bool:
        """Whether rows tell seconds."""
        return self.plan.whole.seconds is not None or any(lane.budget.seconds is not None for lane in self.lanes[:1])

    def connect(self, stack: ExitStack, model: Model, attacker: Model | None) -> None:
        """Make ready whom to ask."""
        inner = self.gate.model if self.gate else model
        self.target = self._asker(stack, inner, False)
        if attacker is not None:
            self.attacker = self._asker(stack, attacker, True)

    def _asker(self, stack: ExitStack, model: Model, attacker: bool) -> Asker:
        self.memories[attacker] = Memory.of(self.store, model, self.sampling)
        if isinstance(model, Endpoint):
            opened = stack.enter_context(Stream(model, self.came))
            return Streamed(model, opened, patient=attacker)
        return Batched(model, patient=attacker)

    def rows(self) -> Iterator[Lane]:
        """Lanes as they end."""
        plan, told = self.plan, set[int]()
        chooser: Even | Bandit = (
            Even(self.lanes, plan.stop_below)
            if plan.allocation == "even"
            else Bandit(self.lanes, self.sampling.seed, plan.bandit_even, plan.stop_below)
        )
        while not self.stopped and (picks := chooser.picks()):
            for lane, credit in picks:
                lane.credit += credit
            yield from self._ended(told, self._gone_on([lane for lane, _ in picks]))
        for lane in self.lanes:
            if not lane.ended:
                lane.over(self.stopped or "the search had no more")
        yield from self._ended(told, iter(self.lanes))

    def _ended(self, told: set[int], lanes: Iterator[Lane]) -> Iterator[Lane]:
        for lane in lanes:
            if lane.ended and id(lane) not in told:
                told.add(id(lane))
                yield lane

    def _gone_on(self, lanes: Sequence[Lane]) -> Iterator[Lane]:
        """Let lanes go on as far as their credit lasts; each that moved, when it did."""
        ready = deque(lanes)
        while True:
            # Batches are of whole rounds. Where the run has a budget, all that was answered before is used first.
            while ready and (self.plan.whole.limited or isinstance(self.target, Batched) or not self._enough()):
                lane = ready.popleft()
                lane.begin()
                self._step(lane)
                yield lane
            self._fill()
            if not self.under_way:
                break
            for asked, got in self._come():
                self._taken(asked, got)
                yield asked.lane
            if self.store is not None:
                self.store.flush()
        if self.failure is not None:
            raise self.failure
        for waiting in self.waiting.values():
            waiting.clear()  # the run's budget is used up

    def _enough(self) -> bool:
        return isinstance(self.target, Streamed) and sum(map(len, self.waiting.values())) >= self.target.free

    def _asks(self) -> bool:
        """Whether the attacker's model has still something to answer."""
        return bool(self.waiting[True]) or any(isinstance(a.lane.step, Ask) for a in self.under_way.values())

    def _step(self, lane: Lane) -> None:
        """Bring a lane to where it has to wait, or has no credit left, or is over."""
        while lane.step is not None:
            step = lane.step
            if isinstance(step, Inside):
                self._worked(lane, step)
            elif isinstance(step, Ask):
                if lane.credit <= 0:
                    return
                if self._may_ask(lane, step) and not self._ask(lane, step.prompt, True):
                    return
            elif lane.credit <= 0 or not self._attempt(lane, step):
                return

    def _worked(self, lane: Lane, step: Inside) -> None:
        """What an attack wants of the target's weights."""
        if self.inside is None:
            lane.over("not possible: it needs the target's weights")
        elif lane.works >= lane.budget.works:
            lane.over("budget: works")
        else:
            lane.works += 1
            lane.sent(step.work(self.inside))

    def _may_ask(self, lane: Lane, step: Ask) -> bool:
        """Whether the attacker's model can be asked. An attack that can do without goes on; another is over."""
        if self.attacker is None:
            self._unanswered(lane, step, "not possible: it needs an attacker's model")
        elif spent := lane.over_budget():
            lane.over(spent)
        elif lane.asks >= lane.budget.asks:
            self._unanswered(lane, step, "budget: asks")
        else:
            return True
        return False

    def _unanswered(self, lane: Lane, step: Ask, why: str) -> None:
        if step.needed:
            lane.over(why)
        else:
            lane.sent(None)

    def _attempt(self, lane: Lane, step: Attempt) -> bool:
        """Have the target answer, unless what guards it stops the request."""
        if self.gate is None:
            return self._ask(lane, step.prompt, False)
        goes, what = self.gate.opened(step.prompt)
        if goes:
            return self._ask(lane, what, False)
        lane.credit -= 1
        self.meter.tries += 1
        self._paid(lane, Got(-1, what, None, 0.0), step.prompt, None)
        lane.judged(what, "", self.judge, self.refused)
        return True

    def _ask(self, lane: Lane, prompt: Transcript, attacker: bool) -> bool:
        """Use the answer of an earlier sitting (True), or put the prompt among those that wait (False)."""
        number = lane.asks if attacker else lane.tries
        asked = named(prompt, f"{'ask' if attacker else 'try'} {number} of {lane.attack} on {lane.goal.id}")
        known = self.memories[attacker].recall(asked)
        if known is None:
            heapq.heappush(self.waiting[attacker], _Waiting(number, lane.place, lane, asked))
            return False
        got, at = known
        self.meter.remembered(at)
        self._answered(lane, asked, got, attacker)
        return True

    def _fill(self) -> None:
        """Send what waits, as far as the askers and the run's budget let it."""
        if self.failure is not None:
            return
        for attacker, waiting in self.waiting.items():
            asker = self.attacker if attacker else self.target
            if not attacker and isinstance(self.target, Batched) and self._asks():
                return  # a batch of the target is made when all that can be in it is there
            while waiting and asker is not None and asker.takes(drawn := self._drawn(attacker, waiting[0].number)):
                if spent := self.meter.spent():
                    self.stopped = spent
                    return
                _, _, lane, prompt = waiting[0]
                into, out = estimate(prompt.messages, self.sampling)
                guess = (0 if attacker else 1, into + out, self.plan.prices.of(attacker, into, out))
                if not self.meter.may(*guess):
                    return
                heapq.heappop(waiting)
                self.number += 1
                self.under_way[self.number] = _Asked(lane, prompt, guess)
                self.meter.start()
                self.meter.aside(1, *guess)
                asker.put(self.number, prompt, drawn)

    def _drawn(self, attacker: bool, number: int) -> Sampling:
        """How a try or an ask of a number is drawn."""
        return replace(self.sampling, seed=stream(self.sampling.seed, "ask" if attacker else "try", number) % 2**31)

    def _come(self) -> list[tuple[_Asked, Got]]:
        """Some answers: a batch of a model in this process, or what came from endpoints."""
        for asker in (self.attacker, self.target):
            if isinstance(asker, Batched) and asker.waiting:
                return [(self.under_way.pop(got.name), got) for got in asker.run()]
        found = []
        for one in taken(self.came):
            asked = self.under_way[one.name]
            asker = self.attacker if isinstance(asked.lane.step, Ask) else self.target
            del self.under_way[one.name]
            try:
                found.append((asked, cast(Streamed, asker).came(one)))
            except GnomonError as error:  # what else is under way is paid for, and kept before this is told
                self.failure = self.failure or error
        return found

    def _taken(self, asked: _Asked, got: Got) -> None:
        """Keep an answer, hand it to its lane, and bring that to where it waits again."""
        attacker = isinstance(asked.lane.step, Ask)
        self.meter.aside(-1, *asked.guess)
        asker = self.attacker if attacker else self.target
        got = got._replace(seconds=round(got.seconds, 6))
        if not isinstance(got.answer, EndpointError) or (asker is not None and asker.ever):
            self.memories[attacker].keep(asked.prompt, got, self.meter.seconds())
        self._answered(asked.lane, asked.prompt, got, attacker)
        self._step(asked.lane)

    def _answered(self, lane: Lane, prompt: Transcript, got: Got, attacker: bool) -> None:
        """Count what an answer cost, and let its lane go on with it."""
        step = lane.step
        failed = isinstance(got.answer, EndpointError)
        if attacker:
            self.meter.asks += 1
            lane.asks += 1
        else:
            self.meter.tries += 1
            lane.credit -= 1
        self._paid(lane, got, prompt, attacker)
        if isinstance(step, Ask):
            if isinstance(got.answer, EndpointError):
                self._unanswered(lane, step, f"the attacker's model gave no reply: {got.answer}")
            else:
                lane.sent(plain(got.answer))
        elif isinstance(step, Attempt):
            answer = None if isinstance(got.answer, EndpointError) else got.answer
            if answer is not None:
                answer = self.gate.passed(step.prompt, answer) if self.gate else plain(answer)
            lane.judged(answer, str(got.answer) if failed else "", self.judge, self.refused)

    def _paid(self, lane: Lane, got: Got, prompt: Transcript, attacker: bool | None) -> None:
        """Tokens and money of one answer; what nobody was asked for (None) costs none."""
        if attacker and isinstance(got.answer, EndpointError):
            return  # nobody was helped by it
        by = "endpoint" if got.tokens else "characters"
        if got.tokens:
            into, out = got.tokens
        else:
            into = sum(len(m.content) for m in prompt.messages) // 4
            out = 0 if isinstance(got.answer, EndpointError) else len(got.answer.messages[-1].content) // 4
        money = 0.0 if attacker is None else self.plan.prices.of(attacker, into, out)
        if isinstance(got.answer, EndpointError):
            money = 0.0  # as the endpoint's own budget has it: what failed is not billed
        self.meter.tokens += into + out
        self.meter.money += money
        lane.paid(into + out, by, got.seconds, money)
