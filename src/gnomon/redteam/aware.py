"""Any attack by somebody who knows the defence: begins with what broke before, and sends nothing the guard would stop.

What stops a request is asked offline, of a copy of the guard, so it costs no try. A prompt that would be stopped is
reworded until it passes, or passed over. The guard itself is not known here: it is handed in as `stopped`.
Source: adaptive evaluation, Carlini et al. 1902.06705, section 3; Tramèr et al. 2002.08347 (the defence is known).
Departs: what stands behind the reply (a judge of replies) can't be tested without the target, and is not.
Units: tries are those of the target; offline tests are bounded by `rewordings` and `passed_over`.
Fails: open; where nothing passes, the attack is sent an unscored reply and goes on, and at last ends.
"""

import random
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Reply, Step
from gnomon.core.seeds import generator
from gnomon.core.types import Message, Score, Transcript
from gnomon.redteam.converters import WORDINGS, applied
from gnomon.redteam.rewrite import asked
from gnomon.redteam.words import SYNONYMS

Stopped = Callable[[Transcript], bool]
"""Whether the guard would stop this request."""
_SIGNS = (", ", " - ", "; ", " ... ", " / ")


@dataclass(frozen=True, kw_only=True)
class Aware:
    """An attack, the guard that it can test against, and what broke before."""

    attack: Attack
    stopped: Stopped
    """Asks a copy of the guard; never the target."""
    known: Mapping[str, Sequence[Transcript]] = field(default_factory=dict)
    """Goal to prompts that broke it in an earlier round; at most half of the tries go to them."""
    told: str = ""
    """The guard's rules in words, for attacks that have a model of their own."""
    rewordings: int = 24
    """Forms of one prompt that are tested offline."""
    passed_over: int = 50
    """Prompts of the attack that may be passed over before it counts as at its end."""

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        """First what is known, then the attack's own steps, each in a form that passes."""
        left = budget.tries
        for number, prompt in enumerate(self.known.get(goal.id, ())[: (budget.tries + 1) // 2]):
            form = self._passing(prompt, generator(seed, "aware", goal.id, "known", number))
            if form is not None:
                left -= 1
                reply = yield Attempt(prompt=form[0], note=f"aware known{form[1]}")
                if reply.breached:
                    return
        if left > 0:
            yield from self._own(goal, replace(budget, tries=left), seed)

    def _own(self, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        """The attack's steps; it may propose more than the budget's tries, as some are passed over."""
        more = replace(budget, tries=budget.tries + self.passed_over)
        steps = self.attack.propose(goal=goal, budget=more, seed=seed)
        tries = passed = 0
        answer: Any = None
        while tries < budget.tries and passed <= self.passed_over:
            try:
                step = steps.send(answer)
            except StopIteration:
                return
            if not isinstance(step, Attempt):
                answer = yield self._briefed(step)
                continue
            form = self._passing(step.prompt, generator(seed, "aware", goal.id, tries, passed))
            if form is None:
                passed += 1
                unsent = Score.unscored("not sent: the guard would stop it")
                answer = Reply(transcript=step.prompt, score=unsent, breached=False)
                continue
            tries += 1
            answer = yield Attempt(prompt=form[0], note=f"{step.note}{form[1]}")
            if answer.breached:
                return
        steps.close()

    def _passing(self, prompt: Transcript, draw: random.Random) -> tuple[Transcript, str] | None:
        """The prompt as it is or reworded, with what was done to it; None where no form passes."""
        if not self.stopped(prompt):
            return prompt, ""
        for number, (name, text) in enumerate(rewordings(prompt.request, draw)):
            if number >= self.rewordings:
                break
            form = asked(prompt, text)
            if not self.stopped(form):
                return form, f", reworded: {name}"
        return None

    def _briefed(self, step: Step) -> Step:
        """A question to the attacker's model, with the guard's rules where it is told its role."""
        if not isinstance(step, Ask) or not self.told:
            return step
        messages = [_added(m, self.told) if m.role == "system" else m for m in step.prompt.messages]
        return replace(step, prompt=Transcript(tuple(messages), step.prompt.expect))


def rewordings(text: str, draw: random.Random) -> Iterator[tuple[str, str]]:
    """Forms of a text that say the same, the gentlest first; each is new, and none is the text itself."""
    seen = {text}
    for name, form in _forms(text, draw):
        if form not in seen:
            seen.add(form)
            yield name, form


def _forms(text: str, draw: random.Random) -> Iterator[tuple[str, str]]:
    for share in (0.3, 0.6, 1.0, 1.0):
        yield "synonyms", _synonyms(text, share, draw)
    for share in (0.15, 0.3, 0.6):
        yield "signs between words", _signs(text, share, draw)
    for share in (0.15, 0.3, 0.6):
        yield "letters turned", _turned(text, share, draw)
    for share in (0.3, 0.6, 1.0):
        yield "synonyms and letters turned", _turned(_synonyms(text, share, draw), share, draw)
    for name in draw.sample(WORDINGS, len(WORDINGS)):
        yield name, applied((name,), text, draw)


def _synonyms(text: str, share: float, draw: random.Random) -> str:
    def other(found: re.Match[str]) -> str:
        word = found.group()
        alike = SYNONYMS.get(word.lower(), ())
        if not alike or draw.random() >= share:
            return word
        new = draw.choice(alike)
        return new[:1].upper() + new[1:] if word[:1].isupper() else new

    return re.sub(r"[A-Za-z]+", other, text)


def _signs(text: str, share: float, draw: random.Random) -> str:
    return re.sub(r"(?<=\w) (?=\w)", lambda m: draw.choice(_SIGNS) if draw.random() < share else m.group(), text)


def _turned(text: str, share: float, draw: random.Random) -> str:
    """Two letters inside a word change places: people and models still read it."""

    def turned(found: re.Match[str]) -> str:
        word = found.group()
        at = draw.randrange(1, len(word) - 2)
        return word if draw.random() >= share else f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"

    return re.sub(r"[A-Za-z]{5,}", turned, text)


def _added(message: Message, told: str) -> Message:
    return replace(message, content=f"{message.content}\n{told}")
