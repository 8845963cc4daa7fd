"""One root seed, and named streams below it, so that adding a draw in one place moves no other.

Source: SHA-256 as a key-derivation; NumPy's `SeedSequence` for the generator itself.
"""

import hashlib
import random


def stream(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream with these names.

    >>> stream(0, "attack", 1) == stream(0, "attack", 1) != stream(0, "attack", 2)
    True
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> random.Random:
    """A generator of the standard library for the named stream."""
    return random.Random(stream(seed, *names))  # noqa: S311 - reproducible sampling, not secrets
