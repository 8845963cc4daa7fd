"""Several rewards of one reply as one: their mean, the worst of them, or their mean less what disagreement costs.

The one place of these formulas: reward models (torch) and records (numpy) both call it, and it imports neither.
It judges nothing, and scales nothing: members whose scales differ have to be standardised before.
Source: Coste et al. 2310.02743, section 3: mean, worst-case (WCO), uncertainty-weighted (UWO).
Shapes: `M` members in the first axis, then any others; an array or a tensor, and the same comes back.
Fails: errors that all members share survive every rule (Eisenstein et al. 2312.09244).
"""

from functools import reduce
from typing import Any, TypeVar

Array = TypeVar("Array")
"""Anything with `mean(axis=)`, `clip(max=)` and arithmetic: numpy's arrays, torch's tensors."""


def mean(score_M: Array) -> Array:
    """Mean of the members."""
    members: Any = score_M
    result: Array = members.mean(axis=0)
    return result


def worst_case(score_M: Array) -> Array:
    """The lowest member, reply by reply."""
    members: Any = score_M
    # Arrays and tensors share no elementwise minimum; being cut off at the next member is the same, to the last bit.
    result: Array = reduce(lambda low, member: low.clip(max=member), members)
    return result


def uncertainty_weighted(score_M: Array, strength: float) -> Array:
    """Mean less `strength` times the variance; the variance is over these members, not an estimate for others."""
    members: Any = score_M
    centre = members.mean(axis=0)
    result: Array = centre - strength * ((members - centre) ** 2).mean(axis=0)
    return result
