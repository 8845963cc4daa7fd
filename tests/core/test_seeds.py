"""Named streams: repeatable, apart from each other, and pinned, so that results of today can be repeated later."""

import hashlib

from gnomon.core.seeds import generator, stream


def test_a_stream_is_the_digest_of_its_names() -> None:
    raw = hashlib.sha256(b"7/attack/3").digest()[:8]
    assert stream(7, "attack", 3) == int.from_bytes(raw, "big") >> 1


def test_streams_differ_and_repeat() -> None:
    seeds = {stream(s, "a", i) for s in range(20) for i in range(50)}
    assert len(seeds) == 1000
    assert generator(1, "x").random() == generator(1, "x").random() != generator(1, "y").random()
    assert all(0 <= s < 2**63 for s in seeds)
