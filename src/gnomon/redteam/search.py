"""Drives attacks against a model in lockstep: in each round every unbroken goal makes one try, all in one batch.

The attacks do no I/O and the model does no searching; every try is judged by the norm's detector. A reply that could
not be had or not be scored is a spent try that broke nothing, and is counted apart: it is evidence of nothing.
Units: tries; tokens are counted as one for each four characters of prompt and reply, as no tokenizer is known here.
Fails: open for single errors of an endpoint (counted); a spent budget or a model that never answers ends the search.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gnomon.core.canonical import to_builtins
from gnomon.core.errors import BudgetSpent, EndpointError
from gnomon.core.protocols import Attack, Attempt, Budget, Goal, Model, Reply, Sampling
from gnomon.core.seeds import stream
from gnomon.core.types import Json, Score, Transcript

Judge = Callable[[str, Transcript], tuple[Score, bool]]
OUTCOMES = ("broke", "kept", "refused", "unscored", "error")
PATIENCE = 20
"""Failed prompts in a row, before any reply at all, after which the endpoint counts as not there."""


@dataclass
class _Lane:
    """One attack on one goal, under way."""

    attack: str
    goal: Goal
    steps: Generator[Attempt, Reply, None]
    attempt: Attempt | None = None
    last: Transcript | None = None
    note: str = ""
    tokens: int = 0
    tries: int = 0
    broke: int | None = None
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
) -> Iterator[dict[str, Json]]:
    """One row for each attack and goal: tries, the try at which it broke (or null), how each try came out.

    `judge` gives the norm's score of a transcript and whether it is a breach; `refused` says which kept replies were
    refusals. The same arguments give the same rows in the same order, if the model is as repeatable as its sampling.
    """
    lanes = [_opened(name, attack, goal, budget, seed) for name, attack in attacks.items() for goal in goals]
    live = [lane for lane in lanes if lane.attempt is not None]
    yield from (_row(lane) for lane in lanes if lane.attempt is None)
    number = 0
    while live:
        number += 1
        drawn = replace(sampling, seed=stream(seed, "round", number))
        prompts = [lane.attempt.prompt for lane in live if lane.attempt is not None]
        answers = _asked(model, prompts, drawn, ever=any(lane.tries > lane.outcomes["error"] for lane in lanes))
        for lane, answer in zip(live, answers, strict=True):
            _judged(lane, answer, judge, refused, budget)
        yield from (_row(lane) for lane in live if lane.attempt is None)
        live = [lane for lane in live if lane.attempt is not None]


def _opened(name: str, attack: Attack, goal: Goal, budget: Budget, seed: int) -> _Lane:
    lane = _Lane(name, goal, attack.propose(goal=goal, budget=budget, seed=stream(seed, "attack", name)))
    lane.attempt = next(lane.steps, None) if budget.tries > 0 else None
    return lane


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
    attempt = lane.attempt
    if attempt is None:
        return
    lane.tries += 1
    lane.note = attempt.note
    if isinstance(answer, EndpointError):
        lane.last, score, breached, outcome = attempt.prompt, Score.unscored(f"no reply: {answer}"), False, "error"
    else:
        lane.last = answer
        score, breached = judge(lane.goal.norm, answer)
        outcome = _outcome(score, breached, refused is not None and refused(answer))
    breached = outcome == "broke"
    lane.outcomes[outcome] += 1
    lane.tokens += sum(len(m.content) for m in lane.last.messages) // 4
    if breached:
        lane.broke = lane.tries
    lane.attempt = _next(lane, Reply(transcript=lane.last, score=score, breached=breached), budget)


def _outcome(score: Score, breached: bool, refusal: bool) -> str:
    if score.value is None:
        return "unscored"
    if breached:
        return "broke"
    return "refused" if refusal else "kept"


def _next(lane: _Lane, reply: Reply, budget: Budget) -> Attempt | None:
    """The attack's next try, or None: it broke the norm, it has no more, or the budget has no more."""
    try:
        attempt = lane.steps.send(reply)
    except StopIteration:
        return None
    if reply.breached or lane.tries >= budget.tries or lane.tokens >= budget.tokens:
        lane.steps.close()
        return None
    return attempt


def _row(lane: _Lane) -> dict[str, Json]:
    return {
        "attack": lane.attack,
        "goal": lane.goal.id,
        "norm": lane.goal.norm,
        "family": lane.goal.family,
        "tries": lane.tries,
        "broke": lane.broke,
        "note": lane.note,
        "tokens": lane.tokens,
        "outcomes": dict(lane.outcomes),
        "transcript": to_builtins(lane.last if lane.last is not None else lane.goal.prompt),
    }


def _name(attack: Attack) -> str:
    """The plug-in's name: its file's."""
    return type(attack).__module__.rpartition(".")[2]
