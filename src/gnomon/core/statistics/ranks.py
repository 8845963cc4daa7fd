"""Rank correlation: how far two lists of numbers put the same things in the same order. A number, without an interval.

Source: Spearman 1904, as the product-moment correlation of mid-ranks. Units: 1 the same order, -1 the opposite.
Fails: open; where one list is constant there is no order to compare, and the answer is 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rho of paired values; ties get the mean of their ranks.

    >>> spearman([1, 2, 3], [10, 20, 25]), spearman([1, 2, 3], [3, 2, 1])
    (1.0, -1.0)
    """
    if len(a) != len(b):
        raise DataError(f"{len(a)} values beside {len(b)}; give one of each for everything that is ranked")
    x, y = (_centred(values) for values in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else 0.0


def _centred(values: Sequence[float]) -> NDArray[np.float64]:
    """Mid-ranks less their mean."""
    _, place, count = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    below = np.cumsum(count) - count
    ranks: NDArray[np.float64] = (below + (count + 1) / 2)[place]
    return ranks - (len(values) + 1) / 2
