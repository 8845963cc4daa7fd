"""One attack on one goal, under way: what it waits for, what its tries came to, what it has cost; in the end a row.

It asks nobody: `search` brings it what it waits for. A reply that could not be had or not be scored is a spent try that
broke nothing, and is counted apart: it is evidence of nothing.
Units: tries; tokens and money as in `spending`; seconds that its requests took.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from gnomon.core.canonical import to_builtins
from gnomon.core.protocols import Attack, Attempt, Budget, Goal, Reply, Step
from gnomon.core.seeds import stream
from gnomon.core.types import Json, Score, Transcript
from gnomon.scoring.judge import Judged

OUTCOMES = ("broke", "kept", "refused", "unscored", "error")
NOTHING: dict[str, Json] = {"tries": 0, "outcomes": dict.fromkeys(OUTCOMES, 0), "tokens": 0, "money": 0.0}
Judge = Callable[[str, Transcript], Judged]


@dataclass(eq=False)
class Lane:
    """One attack on one goal."""

    attack: str
    goal: Goal
    plan: Attack
    budget: Budget
    seed: int
    place: int = 0
    """Among all lanes of the search."""
    steps: Generator[Step, Any, None] | None = None
    step: Step | None = None
    """What it waits for; None: it has not begun, or is over."""
    credit: float = 0
    """Tries that it may make before it has to be picked again."""
    even: int | None = None
    """How many first tries it had whatever came of others; None: all."""
    first: dict[str, Json] | None = None
    """What these came to."""
    last: Transcript | None = None
    note: str = ""
    tokens: int = 0
    counted: set[str] = field(default_factory=set)
    """Who counted the tokens: endpoint, or characters."""
    seconds: float = 0.0
    money: float = 0.0
    tries: int = 0
    asks: int = 0
    works: int = 0
    broke: int | None = None
    ended: str = ""
    """Why it is over."""
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))

    def begin(self) -> None:
        """Let the attack make its first step, if it has not."""
        if self.steps is not None or self.ended:
            return
        self.steps = self.plan.propose(
            goal=self.goal, budget=self.budget, seed=stream(self.seed, "attack", self.attack)
        )
        if self.budget.tries > 0:
            self.step = next(self.steps, None)
        if self.step is None:
            self.ended = "the attack had no more" if self.budget.tries > 0 else "budget: tries"

    def sent(self, what: object) -> None:
        """Let the attack go on with what it waited for."""
        if self.steps is None:
            return
        try:
            self.step = self.steps.send(what)
        except StopIteration:
            self.step, self.ended = None, "the attack had no more"

    def over(self, why: str) -> None:
        """End it."""
        if self.steps is not None:
            self.steps.close()
        self.step, self.ended = None, why

    def paid(self, tokens: int, by: str, seconds: float, money: float) -> None:
        """What one reply cost."""
        self.tokens += tokens
        self.seconds += seconds
        self.money += money
        self.counted.add(by)

    def over_budget(self) -> str:
        """Which of its budgets, but that of tries, is used up; empty: none."""
        b = self.budget
        if self.tokens >= b.tokens:
            return "budget: tokens"
        if b.seconds is not None and self.seconds >= b.seconds:
            return "budget: seconds"
        return "budget: money" if b.money is not None and self.money >= b.money else ""

    def judged(
        self, answer: Transcript | None, why: str, judge: Judge, refused: Callable[[Transcript], bool] | None
    ) -> None:
        """Count one try, and let the attack make its next one. Without an answer, `why` there is none."""
        attempt = self.step
        if not isinstance(attempt, Attempt):
            return
        self.tries += 1
        self.note = attempt.note
        if answer is None:
            self.last, outcome = attempt.prompt, "error"
            found = Judged(Score.unscored(f"no reply: {why}"), False, None)
        else:
            self.last = answer
            found = judge(self.goal.norm, answer)
            outcome = _outcome(found, refused is not None and refused(answer))
        self.outcomes[outcome] += 1
        if self.even is not None and self.tries <= self.even:
            self.first = {
                "tries": self.tries,
                "outcomes": dict(self.outcomes),
                "tokens": self.tokens,
                "money": self.money,
            }
        breached = outcome == "broke"
        if breached:
            self.broke = self.tries
        self.sent(Reply(transcript=self.last, score=found.score, breached=breached, progress=found.progress))
        if breached:
            self.over("broke")
        elif self.step is not None and (spent := self.over_budget() or self._last_try()):
            self.over(spent)

    def _last_try(self) -> str:
        return "budget: tries" if self.tries >= self.budget.tries else ""

    def row(self, *, timed: bool, allocation: str) -> dict[str, Json]:
        """What the ledger keeps. Seconds only where a budget is in seconds: they are never the same twice."""
        return {
            "attack": self.attack,
            "goal": self.goal.id,
            "norm": self.goal.norm,
            "family": self.goal.family,
            "tries": self.tries,
            "broke": self.broke,
            "note": self.note,
            "ended": self.ended,
            "tokens": self.tokens,
            "counted": " and ".join(sorted(self.counted)),
            "seconds": round(self.seconds, 3) if timed else None,
            "money": self.money,
            "asks": self.asks,
            "works": self.works,
            "outcomes": dict(self.outcomes),
            "allocation": allocation,
            "even": None if self.even is None else self.first or NOTHING,
            "transcript": to_builtins(self.last if self.last is not None else self.goal.prompt),
        }


def _outcome(found: Judged, refusal: bool) -> str:
    if found.score.value is None:
        return "unscored"
    if found.breached:
        return "broke"
    return "refused" if refusal else "kept"
