"""Freed memory stays with the process, so that every step of training finds the pages of the last one.

The C library gives large blocks back to the system at once, and the system clears each page before it gives it again: a
tenth of a step's time on a CPU. It raises no peak and changes no numbers; the process keeps its peak until it ends.
It does nothing where the C library has no such setting, as without glibc.
Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
Units: bytes.
"""

import ctypes
import sys

TRIM, MMAP = -1, -3
LARGEST = (1 << 30, 1 << 25)
"""Blocks up to here are kept: the most that a new, and that an old glibc takes."""


def keep() -> bool:
    """Keep freed memory from now on; whether the C library can."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return any(mallopt(MMAP, size) for size in LARGEST) and bool(mallopt(TRIM, (1 << 31) - 1))
