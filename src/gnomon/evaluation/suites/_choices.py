"""What suites that compare choices share: the score of each choice, and whether the wanted one is best.

Source: log-probabilities of continuations, as in Gao et al.'s lm-evaluation-harness. Units: nats, over the length that
was asked for.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from gnomon.evaluation.items import Answer, Item

Length = Literal["sum", "token", "byte"]
"""What the log-probability of a choice is divided by: nothing, its tokens, or the bytes of its text."""


def scores(item: Item, answers: Mapping[str, Answer], length: Length) -> tuple[float, ...] | None:
    """The score of each choice, or None when the answer is missing or not whole."""
    answer = answers.get(item.id)
    if answer is None or answer.error or len(answer.logprobs) != len(item.choices):
        return None
    if length == "sum" or answer.lettered:  # a letter is no longer for a longer choice
        return answer.logprobs
    sizes = answer.tokens if length == "token" else [len(c.strip().encode()) for c in item.choices]
    if len(sizes) != len(item.choices) or not all(sizes):
        return None
    return tuple(logp / size for logp, size in zip(answer.logprobs, sizes, strict=True))


def likeliest(item: Item, answers: Mapping[str, Answer], length: Length = "sum") -> int | None:
    """The choice that scores highest, the first of equals; None without an answer."""
    found = scores(item, answers, length)
    return None if found is None else found.index(max(found))


def probability(item: Item, answers: Mapping[str, Answer], choice: int) -> float | None:
    """The probability of a choice among an item's choices."""
    found = scores(item, answers, "sum")
    if found is None:
        return None
    top = max(found)
    parts = [math.exp(s - top) for s in found]
    return parts[choice] / math.fsum(parts)


def answered(item: Item, likely: Sequence[int]) -> Answer:
    """An answer in which these choices are all there is, for specimens."""
    return Answer(
        item=item.id,
        logprobs=tuple(0.0 if i in likely else -1000.0 for i in range(len(item.choices))),
        tokens=(1,) * len(item.choices),
    )


def share_of_best(found: Sequence[float] | None, wanted: int) -> float | None:
    """1 if the wanted choice scores highest, 0 if not; several that score highest share it."""
    if found is None:
        return None
    best = [i for i, score in enumerate(found) if score == max(found)]
    return (wanted in best) / len(best)
