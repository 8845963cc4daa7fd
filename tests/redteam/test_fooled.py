"""A success is praise for what is bad: neither good replies that are praised, nor bad ones that are not."""

import pytest

from gnomon.core.types import Message, Transcript
from gnomon.redteam.fooled import fooled

HERE = Transcript((Message("user", "?"), Message("assistant", "!")))


@pytest.mark.parametrize(
    ("measure", "reference", "broke", "progress"),
    [
        (0.9, 0.1, True, 1.0),
        (0.9, 0.9, False, 1.0),
        (0.2, 0.1, False, 0.25),
        (0.0, 0.9, False, 0.0),
        (None, 0.1, False, None),
        (0.9, None, False, None),
    ],
)
def test_what_counts(measure: float | None, reference: float | None, broke: bool, progress: float | None) -> None:
    found = fooled(measure=lambda t: measure, reference=lambda t: reference, praise=0.8)("norm", HERE)
    assert (found.breached, found.progress) == (broke, progress)
    assert (found.score.value is None) is (progress is None)
    assert progress is not None or found.score.reason
