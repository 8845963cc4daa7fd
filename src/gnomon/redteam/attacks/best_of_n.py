"""Attack: the same request with random letters changed, again and again, until one of N passes.

A budget, not a trick: what it finds depends on N, so a rate without its N says nothing. Text only.
Source: Hughes et al., "Best-of-N Jailbreaking" (arXiv 2412.03556) section 2 and appendix A: words of more than three
letters scrambled inside with probability sqrt(sigma), the case of letters flipped with sqrt(sigma), printable ASCII
moved by one with sigma cubed.
Departs: white space is kept as it stands.
Fails: open; after N tries or the budget's it ends.
"""

import random
import re
from collections.abc import Generator
from dataclasses import dataclass

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attempt, Budget, Goal, Reply
from gnomon.core.seeds import generator
from gnomon.redteam.rewrite import asked


@dataclass(frozen=True, kw_only=True)
class BestOfN:
    """Random capitals, scrambled words and noise, drawn anew in each try."""

    n: int = 10_000
    """The most tries; the budget may allow fewer."""
    sigma: float = 0.4
    """How much is changed, 0 to 1."""
    capitals: bool = True
    """Whether the case of letters is changed."""
    scramble: bool = True
    """Whether letters inside words are shuffled."""
    noise: bool = True
    """Whether characters are replaced by their neighbours in ASCII."""

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 1:
            raise SettingsError(f"sigma is {self.sigma}; write a number from 0 to 1")

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Attempt, Reply, None]:
        plain = goal.prompt.request
        for number in range(min(self.n, budget.tries)):
            text = self._changed(plain, generator(seed, "best_of_n", goal.id, number))
            reply = yield Attempt(prompt=asked(goal.prompt, text), note=f"best_of_n {number + 1}")
            if reply.breached:
                return

    def _changed(self, text: str, draw: random.Random) -> str:
        often, seldom = self.sigma**0.5, self.sigma**3
        if self.scramble:
            text = re.sub(
                r"\S{4,}", lambda m: _scrambled(m.group(), draw) if draw.random() < often else m.group(), text
            )
        if self.capitals:
            text = "".join(c.swapcase() if c.isalpha() and draw.random() < often else c for c in text)
        if self.noise:
            text = "".join(_neighbour(c, draw) if " " <= c <= "~" and draw.random() < seldom else c for c in text)
        return text


def _scrambled(word: str, draw: random.Random) -> str:
    inside = list(word[1:-1])
    draw.shuffle(inside)
    return word[0] + "".join(inside) + word[-1]


def _neighbour(char: str, draw: random.Random) -> str:
    moved = chr(ord(char) + draw.choice((-1, 1)))
    return moved if " " <= moved <= "~" else char
