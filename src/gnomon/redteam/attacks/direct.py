"""Attack: ask plainly. The baseline that every other attack has to beat.

It changes nothing in the goal.
Source: the direct request of HarmBench (arXiv 2402.04249).
Fails: open; a goal that never breaks spends its repeats and ends.
"""

from collections.abc import Generator
from dataclasses import dataclass

from gnomon.core.protocols import Attempt, Budget, Goal, Reply


@dataclass(frozen=True, kw_only=True)
class Direct:
    """The request as it stands."""

    repeats: int = 1
    """How often it is asked; more than once only helps above temperature 0."""

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Attempt, Reply, None]:
        for number in range(min(self.repeats, budget.tries)):
            reply = yield Attempt(prompt=goal.prompt, note=f"direct {number + 1}")
            if reply.breached:
                return
