"""A harmless request behind the words of an attack: what a defence against those words must not stop.

The attack is driven as far as the try that broke something, with the harmless conversation in place of the goal's and
the same seed, so that the same words come around it. No model is asked: each earlier try is answered by a stand-in.
Source: our own; lookalikes as in XSTest (Röttger et al. 2308.01263), here under an attack's wrapping.
Fails: open; an attack that needs a model's answer or weights to go on, or that ends before, carries nothing: None.
"""

from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Reply
from gnomon.core.seeds import stream
from gnomon.core.types import Score, Transcript

STAND_IN = "Certainly. What else may I do for you?"
_MOST = 1000
"""Steps after which an attack counts as one that ends nowhere."""


def carried(attack: Attack, *, name: str, goal: Goal, budget: Budget, seed: int, tries: int) -> Transcript | None:
    """The attack's attempt number `tries` on this goal, as `search_all` would have made it under this seed."""
    steps = attack.propose(goal=goal, budget=budget, seed=stream(seed, "attack", name))
    made, answer = 0, None
    for _ in range(_MOST):
        try:
            step = steps.send(answer)
        except StopIteration:
            return None
        if isinstance(step, Attempt):
            made += 1
            if made == tries:
                steps.close()
                return step.prompt
            unjudged = Score.unscored("not sent: only the words of the attack are wanted")
            answer = Reply(transcript=step.prompt.answered(STAND_IN), score=unjudged, breached=False)
        elif isinstance(step, Ask) and not step.needed:
            answer = None
        else:
            steps.close()
            return None
    return None
