import pytest

from gnomon.charter.judging import Judge
from gnomon.charter.schema import Norm
from gnomon.core.protocols import Direction
from gnomon.core.types import Score, Transcript

NORM = Norm.model_validate(
    {"id": "n", "statement": "s", "detector": {"kind": "x"}, "line": {"rate": 0.1}, "breach_at": 0.5}
)


@pytest.mark.parametrize(
    ("value", "direction", "breached"),
    [
        (0.5, "higher is worse", True),
        (0.4, "higher is worse", False),
        (0.5, "higher is better", False),
        (0.4, "higher is better", True),
        (None, "higher is worse", None),
    ],
)
def test_a_breach_depends_on_the_direction(value: float | None, direction: Direction, breached: bool | None) -> None:
    judge = Judge(lambda ref, transcript: Score(value=value), lambda ref: direction)
    assert judge.breached(NORM, Transcript(())) is breached
