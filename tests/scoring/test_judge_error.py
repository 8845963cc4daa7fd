"""A rate corrected for a judge's error: by the formula, or not at all where too little is known."""

import pytest

from gnomon.scoring.judge_error import LEAST, Checked, corrected

SEEN = Checked(truth=[1] * 10 + [0] * 10, judged=[1] * 8 + [0] * 2 + [1] + [0] * 9, items=[str(i) for i in range(20)])


def test_the_formula() -> None:
    found = corrected([1.0] * 38 + [0.0] * 62, [str(i) for i in range(100)], SEEN, unit="rate")
    assert found is not None
    assert found.corrected.value == pytest.approx((0.38 + 0.9 - 1) / (0.8 + 0.9 - 1))


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ([], SEEN),
        ([0.5], SEEN),
        ([1.0], Checked(truth=[1] * LEAST + [0] * (LEAST - 1), judged=[1.0] * (2 * LEAST - 1), items=["a"] * 9)),
        ([1.0], Checked()),
    ],
)
def test_nothing_is_corrected_where_too_little_is_known(values: list[float], known: Checked) -> None:
    assert corrected(values, ["a"] * len(values), known, unit="rate") is None
