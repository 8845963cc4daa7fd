"""Attack: messages by an attacker's model that was trained against the target, each drawn afresh.

It shows the model neither replies nor scores: what it knows of the target lies in its weights (`gnomon attacker`). It
is told what PAIR tells first, so the same model serves `pair` and `tap`. Where there is no model, it writes nothing
usable or says the same again, the request is put behind converters that are drawn.
Source: red teaming with a language model trained on its successes, Perez et al. 2202.03286; in rounds: Ge et al.
2311.07689. Departs: no few-shot stage; an untrained model may be asked in the same way.
Fails: open; with the budget it ends.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Ask, Attempt, Budget, Goal, Step
from gnomon.core.seeds import generator
from gnomon.redteam.attackers import begun, prompt_in, reworded
from gnomon.redteam.rewrite import asked


@dataclass(frozen=True, kw_only=True)
class Learned:
    """One message after another from the attacker's model, none of them said twice."""

    most: int = 50
    """The most messages on one goal."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise SettingsError(f"most must be at least 1, not {self.most}")

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        request = goal.prompt.request
        draw = generator(seed, "learned", goal.id)
        said: set[str] = set()
        for _ in range(min(self.most, budget.tries)):
            answer = yield Ask(prompt=begun(request), note="learned: message", needed=False)
            text, how = prompt_in(answer, request), "written"
            if not text or text in said:
                text, how = reworded(request, draw)
            said.add(text)
            reply = yield Attempt(prompt=asked(goal.prompt, text), note=f"learned: {how}")
            if reply.breached:
                return
