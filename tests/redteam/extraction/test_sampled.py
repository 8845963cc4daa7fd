"""What a model writes by itself: the same for the same number, ranked by its own figures, looked up exactly."""

from typing import Any

import pytest

pytest.importorskip("torch")

from gnomon.core.errors import DataError
from gnomon.redteam.extraction import corpus, sampled


def test_samples_are_their_numbers_own(letters: Any) -> None:
    rows = sampled.rows(letters, [0, 1, 2], tokens=12)
    again = sampled.rows(letters, [2], tokens=12)
    assert [r["number"] for r in rows] == [0, 1, 2]
    assert again[0]["ids"] == rows[2]["ids"]
    assert set(rows[0]["scores"]) == {"loss", "zlib", "min-k", "min-k++"}
    beside = sampled.rows(letters, [0], tokens=12, references=[letters], start="ab")
    assert beside[0]["scores"]["reference"] == pytest.approx(0.0, abs=1e-6)


def found(number: int, ids: list[int], loss: float) -> dict[str, Any]:
    return {"number": number, "ids": ids, "text": "t", "scores": {"loss": loss, "zlib": -loss}}


def test_repeats_are_dropped_hits_are_exact_and_rankings_compared() -> None:
    index = corpus.index([list(range(100, 120))], length=5)
    rows = [found(0, list(range(100, 110)), -1.0), found(1, list(range(100, 110)), -2.0)]
    rows += [found(n, list(range(n * 10, n * 10 + 8)), -3.0 - n) for n in (*range(2, 10), 11)]
    whole, hits = sampled.looked_up(rows, index)
    assert (whole.samples, whole.distinct, whole.longest) == (11, 10, 10)
    assert [(h["number"], h["tokens"]) for h in hits] == [(0, 10), (11, 8)]
    assert whole.found.value == pytest.approx(0.2)
    assert whole.top["loss"].value == 1.0, "the likeliest tenth is the one text that was learnt"
    assert whole.top["zlib"].value == 1.0
    with pytest.raises(DataError, match="wrote no text"):
        sampled.looked_up([], index)
