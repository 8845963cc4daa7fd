"""Attack: the request behind a chain of converters, such as `base64(roleplay(x))`, or behind chains that are drawn.

It learns nothing from the replies, and decodes none: the norm's detector has to see through a spelling.
Source: Wei et al., "Jailbroken" (arXiv 2307.02483) section 3.2 and its combinations; the chained converters of PyRIT.
Departs: what a chain means stands above the text at each step, so that one prompt needs no examples.
Fails: closed for a chain that can't be read; when its draws only repeat themselves it ends.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attempt, Budget, Goal, Step
from gnomon.core.seeds import generator
from gnomon.redteam.converters import CONVERTERS, applied, parse, written
from gnomon.redteam.rewrite import asked
from gnomon.redteam.translation import translated

_PATIENCE = 20
"""Draws in a row that gave nothing new, after which there is nothing new."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The request behind a chain of converters."""

    chain: str = ""
    """Names around x, the innermost applied first; empty: another chain in each try."""
    depth: int = 3
    """The most converters in a chain that is drawn."""
    explained: bool = True
    """Whether the target is told how to read a spelling."""
    language: str = ""
    """Into which the attacker's own model translates the request first, such as "Swahili"; empty: not at all."""

    def __post_init__(self) -> None:
        if self.chain:
            parse(self.chain)
        if not 1 <= self.depth <= len(CONVERTERS):
            raise SettingsError(f"depth is {self.depth}; write 1 to {len(CONVERTERS)}")

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        if budget.tries < 1:
            return
        plain = goal.prompt.request
        if self.language:
            plain = yield from translated(plain, self.language, note="converted translation")
        seen: set[str] = set()
        number = stale = 0
        while len(seen) < budget.tries and stale < _PATIENCE:
            draw = generator(seed, "converted", goal.id, number)
            names = parse(self.chain) if self.chain else draw.sample(list(CONVERTERS), draw.randint(1, self.depth))
            text = applied(names, plain, draw, explained=self.explained)
            number, stale = number + 1, stale + 1
            if text not in seen:
                seen.add(text)
                stale = 0
                reply = yield Attempt(prompt=asked(goal.prompt, text), note=f"converted {written(names)}")
                if reply.breached:
                    return
