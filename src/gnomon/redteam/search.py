"""Drives attacks against a model in lockstep: in each round every unbroken goal makes one try, all in one batch.

Between tries an attack may ask the attacker's own model, in batches too, or work on the target's weights. The attacks
do no I/O and the model does no searching; every try is judged by the norm's detector. A reply that could not be had or
not be scored is a spent try that broke nothing, and is counted apart: it is evidence of nothing.
Units: tries; tokens are counted as one for each four characters of prompt and reply, as no tokenizer is known here.
Fails: open for single errors of an endpoint (counted); a spent budget or a model that never answers ends the search; an
attack that needs an attacker or weights that are not there ends with that as its reason, and has tried nothing.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gnomon.core.canonical import to_builtins
from gnomon.core.errors import BudgetSpent, EndpointError
from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Inside, Model, Reply, Sampling, Step
from gnomon.core.seeds import stream
from gnomon.core.types import Json, Score, Transcript
from gnomon.scoring.judge import Judged

Judge = Callable[[str, Transcript], Judged]
OUTCOMES = ("broke", "kept", "refused", "unscored", "error")
PATIENCE = 20
"""Failed prompts in a row, before any reply at all, after which the endpoint counts as not there."""


@dataclass
class _Lane:
    """One attack on one goal, under way."""

    attack: str
    goal: Goal
    steps: Generator[Step, Any, None]
    step: Step | None = None
    """What it waits for; None: it is over."""
    last: Transcript | None = None
    note: str = ""
    tokens: int = 0
    tries: int = 0
    asks: int = 0
    works: int = 0
    broke: int | None = None
    ended: str = ""
    """Why it is over."""
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))


def search(
    *,
    attack: Attack,
    goals: Sequence[Goal],
    model: Model,
    judge: Judge,
    budget: Budget,
    sampling: Sampling,
    seed: int,
    refused: Callable[[Transcript], bool] | None = None,
    attacker: Model | None = None,
    inside: Any = None,
) -> Iterator[dict[str, Json]]:
    """Rows of one attack, each as soon as its goal is done; see `search_all`."""
    name = _name(attack)
    attacks = {name: attack}
    return search_all(
        attacks=attacks,
        goals=goals,
        model=model,
        judge=judge,
        budget=budget,
        sampling=sampling,
        seed=seed,
        refused=refused,
        attacker=attacker,
        inside=inside,
    )


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
) -> Iterator[dict[str, Json]]:
    """One row for each attack and goal: tries, the try at which it broke (or null), how each try came out.

    `judge` gives the norm's score of a transcript, whether it is a breach and how near it came; `refused` says which
    kept replies were refusals. `attacker` is the model that attacks may ask; `inside` the local model whose weights
    they may work on.
    The same arguments give the same rows in the same order, if the models are as repeatable as their sampling.
    """
    helping = _Helping(attacker, inside, sampling, seed)
    lanes = [_opened(name, attack, goal, budget, seed) for name, attack in attacks.items() for goal in goals]
    live = _settled(lanes, helping, budget)
    yield from (_row(lane) for lane in lanes if lane.step is None)
    number = 0
    while live:
        number += 1
        drawn = replace(sampling, seed=stream(seed, "round", number))
        prompts = [lane.step.prompt for lane in live if isinstance(lane.step, Attempt)]
        answers = _asked(model, prompts, drawn, ever=any(lane.tries > lane.outcomes["error"] for lane in lanes))
        for lane, answer in zip(live, answers, strict=True):
            _judged(lane, answer, judge, refused, budget)
        left = _settled(live, helping, budget)
        yield from (_row(lane) for lane in live if lane.step is None)
        live = left


@dataclass
class _Helping:
    """What attacks may use besides the target's replies."""

    attacker: Model | None
    inside: Any
    sampling: Sampling
    seed: int
    rounds: int = 0


def _opened(name: str, attack: Attack, goal: Goal, budget: Budget, seed: int) -> _Lane:
    lane = _Lane(name, goal, attack.propose(goal=goal, budget=budget, seed=stream(seed, "attack", name)))
    if budget.tries > 0:
        lane.step = next(lane.steps, None)
    lane.ended = "" if lane.step else "the attack had no more" if budget.tries > 0 else "budget: tries"
    return lane


def _settled(lanes: Sequence[_Lane], helping: _Helping, budget: Budget) -> list[_Lane]:
    """The lanes that wait for the target, after all others got what they waited for."""
    while True:
        asking = [lane for lane in lanes if isinstance(lane.step, Ask)]
        working = [lane for lane in lanes if isinstance(lane.step, Inside)]
        if not asking and not working:
            return [lane for lane in lanes if lane.step is not None]
        _helped(asking, helping, budget)
        for lane in working:
            _worked(lane, helping, budget)


def _helped(lanes: Sequence[_Lane], helping: _Helping, budget: Budget) -> None:
    """One answer of the attacker's model to each lane, in one batch."""
    helping.rounds += 1
    waiting = []
    for lane in lanes:
        if helping.attacker is None:
            _unanswered(lane, "not possible: it needs an attacker's model")
        elif lane.tokens >= budget.tokens:
            _over(lane, "budget: tokens")
        elif lane.asks >= budget.asks:
            _unanswered(lane, "budget: asks")
        else:
            waiting.append(lane)
    if not waiting or helping.attacker is None:
        return
    drawn = replace(helping.sampling, seed=stream(helping.seed, "attacker", helping.rounds))
    prompts = [lane.step.prompt for lane in waiting if isinstance(lane.step, Ask)]
    for lane, answer in zip(waiting, _asked(helping.attacker, prompts, drawn, ever=True), strict=True):
        lane.asks += 1
        if isinstance(answer, EndpointError):
            _unanswered(lane, f"the attacker's model gave no reply: {answer}")
        else:
            lane.tokens += sum(len(m.content) for m in answer.messages) // 4
            _sent(lane, answer)


def _unanswered(lane: _Lane, why: str) -> None:
    """An attack that can do without the answer goes on; another is over."""
    if isinstance(lane.step, Ask) and not lane.step.needed:
        _sent(lane, None)
    else:
        _over(lane, why)


def _worked(lane: _Lane, helping: _Helping, budget: Budget) -> None:
    """What an attack wants of the target's weights."""
    if helping.inside is None:
        _over(lane, "not possible: it needs the target's weights")
    elif lane.works >= budget.works:
        _over(lane, "budget: works")
    elif isinstance(lane.step, Inside):
        lane.works += 1
        _sent(lane, lane.step.work(helping.inside))


def _over(lane: _Lane, why: str) -> None:
    lane.steps.close()
    lane.step, lane.ended = None, why


def _sent(lane: _Lane, what: object) -> None:
    """Let the attack go on with what it waited for."""
    try:
        lane.step = lane.steps.send(what)
    except StopIteration:
        lane.step, lane.ended = None, "the attack had no more"


def _asked(
    model: Model, prompts: Sequence[Transcript], sampling: Sampling, *, ever: bool
) -> list[Transcript | EndpointError]:
    """A reply or the error for each prompt; after a failed batch every prompt is asked by itself, once.

    `ever` says whether the model has answered anything yet: one that never does raises its error after a while.
    """
    whole = _batch(model, prompts, sampling)
    if not isinstance(whole, EndpointError):
        return list(whole)
    if len(prompts) == 1:
        return [whole]
    answers: list[Transcript | EndpointError] = []
    for prompt in prompts:
        answer = _batch(model, [prompt], sampling)
        answers.append(answer if isinstance(answer, EndpointError) else answer[0])
        ever = ever or not isinstance(answer, EndpointError)
        if not ever and len(answers) >= PATIENCE and isinstance(answer, EndpointError):
            raise answer
    return answers


def _batch(model: Model, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript] | EndpointError:
    try:
        return model.generate(prompts=prompts, sampling=sampling)
    except BudgetSpent:
        raise
    except EndpointError as error:
        return error


def _judged(
    lane: _Lane,
    answer: Transcript | EndpointError,
    judge: Judge,
    refused: Callable[[Transcript], bool] | None,
    budget: Budget,
) -> None:
    """Count one try, and let the attack make its next one."""
    attempt = lane.step
    if not isinstance(attempt, Attempt):
        return
    lane.tries += 1
    lane.note = attempt.note
    if isinstance(answer, EndpointError):
        lane.last, outcome = attempt.prompt, "error"
        found = Judged(Score.unscored(f"no reply: {answer}"), False, None)
    else:
        lane.last = answer
        found = judge(lane.goal.norm, answer)
        outcome = _outcome(found, refused is not None and refused(answer))
    breached = outcome == "broke"
    lane.outcomes[outcome] += 1
    lane.tokens += sum(len(m.content) for m in lane.last.messages) // 4
    if breached:
        lane.broke = lane.tries
    _sent(lane, Reply(transcript=lane.last, score=found.score, breached=breached, progress=found.progress))
    if breached:
        _over(lane, "broke")
    elif lane.step is not None and (lane.tries >= budget.tries or lane.tokens >= budget.tokens):
        _over(lane, "budget: tries" if lane.tries >= budget.tries else "budget: tokens")


def _outcome(found: Judged, refusal: bool) -> str:
    if found.score.value is None:
        return "unscored"
    if found.breached:
        return "broke"
    return "refused" if refusal else "kept"


def _row(lane: _Lane) -> dict[str, Json]:
    return {
        "attack": lane.attack,
        "goal": lane.goal.id,
        "norm": lane.goal.norm,
        "family": lane.goal.family,
        "tries": lane.tries,
        "broke": lane.broke,
        "note": lane.note,
        "ended": lane.ended,
        "tokens": lane.tokens,
        "asks": lane.asks,
        "works": lane.works,
        "outcomes": dict(lane.outcomes),
        "transcript": to_builtins(lane.last if lane.last is not None else lane.goal.prompt),
    }


def _name(attack: Attack) -> str:
    """The plug-in's name: its file's."""
    return type(attack).__module__.rpartition(".")[2]
