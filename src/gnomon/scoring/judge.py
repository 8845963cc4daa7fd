"""From a kind and settings to a score, a breach, and a value that can be compared across dimensions.

It averages nothing and does not know what a norm is.
Units: `normalised` is in [0, 1], 1 best, whatever the dimension's own bounds and direction.
Fails: closed; a value outside the stated bounds raises DataError, an unscored reply is no verdict (None).
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from gnomon.core import plugin
from gnomon.core.errors import DataError
from gnomon.core.protocols import Dimension
from gnomon.core.types import Json, Score, Transcript


def build(kind: str, settings: Mapping[str, Json] | None = None) -> Dimension:
    """A dimension with its settings. Raises SettingsError that lists the real names.

    >>> build("length", {"max_words": 40}).direction
    'higher is better'
    """
    return cast(Dimension, plugin.build("dimension", kind, settings))


def score(dimension: Dimension, transcript: Transcript) -> Score:
    """The dimension's score, checked against its own promise: in bounds, or unscored with a reason."""
    return _kept(dimension, dimension.score(transcript=transcript))


def scores(dimension: Dimension, transcripts: Sequence[Transcript]) -> list[Score]:
    """The same of several transcripts, together if the dimension has a `scores(*, transcripts)` of its own."""
    together = getattr(dimension, "scores", None)
    if together is None:
        return [score(dimension, t) for t in transcripts]
    return [_kept(dimension, s) for s in together(transcripts=transcripts)]


def _kept(dimension: Dimension, result: Score) -> Score:
    low, high = dimension.bounds
    name = type(dimension).__name__
    if result.value is None:
        if not result.reason:
            raise DataError(f"{name} left a reply unscored without a reason; write why in Score.unscored(...)")
    elif not (math.isfinite(result.value) and low <= result.value <= high):
        raise DataError(f"{name} gave {result.value}, outside its bounds [{low:g}, {high:g}]")
    return result


def breached(score: Score, dimension: Dimension, at: float) -> bool | None:
    """Whether the score crosses the line; None when there is no score."""
    if score.value is None:
        return None
    return score.value >= at if dimension.direction == "higher is worse" else score.value < at


def progress(score: Score, dimension: Dimension, at: float) -> float | None:
    """How much of the way from the dimension's best value to the line the score has gone; None without a score.

    1 at the line and past it, so a detector and its mirror image say the same.
    """
    if score.value is None:
        return None
    best, worst = dimension.bounds if dimension.direction == "higher is worse" else dimension.bounds[::-1]
    # A line at or before the best value is crossed by everything.
    if (at - best) * (worst - best) <= 0:
        return 1.0
    return min(1.0, max(0.0, (score.value - best) / (at - best)))


class Judged(NamedTuple):
    """What one reply is by one detector and its line."""

    score: Score
    breached: bool
    """False where there is no score: that is evidence of nothing."""
    progress: float | None


def judged(dimension: Dimension, transcript: Transcript, at: float) -> Judged:
    """Score, breach and progress of one reply."""
    found = score(dimension, transcript)
    return Judged(found, bool(breached(found, dimension, at)), progress(found, dimension, at))


def normalised(score: Score, dimension: Dimension) -> float | None:
    """The score on [0, 1] with 1 best; None when there is no score."""
    if score.value is None:
        return None
    low, high = dimension.bounds
    share = (score.value - low) / (high - low)
    return 1.0 - share if dimension.direction == "higher is worse" else share
