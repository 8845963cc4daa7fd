"""judge: breaches and the common scale, and dimensions that break their own promise."""

from dataclasses import dataclass

import pytest

from gnomon.core.errors import DataError, PluginError, SettingsError
from gnomon.core.types import Score, Transcript
from gnomon.scoring import judge


@dataclass(frozen=True)
class Fake:
    value: float | None
    direction: str = "higher is better"
    bounds: tuple[float, float] = (-2.0, 2.0)
    reason: str = ""

    def score(self, *, transcript: Transcript) -> Score:
        return Score(value=self.value, reason=self.reason)


HERE = Transcript(())


def test_build_names_the_real_ones() -> None:
    assert judge.build("length", {"max_words": 3}).bounds == (0.0, 1.0)
    with pytest.raises(PluginError, match="did you mean 'length'"):
        judge.build("lenght", {})
    with pytest.raises(SettingsError, match="did you mean 'max_words'"):
        judge.build("length", {"max_word": 3})
    with pytest.raises(SettingsError, match="max_words"):
        judge.build("length", {})


@pytest.mark.parametrize("value", [2.1, -2.1, float("nan"), float("inf")])
def test_out_of_bounds_is_an_error(value: float) -> None:
    with pytest.raises(DataError, match="outside its bounds"):
        judge.score(Fake(value), HERE)  # type: ignore[arg-type]


def test_unscored_needs_a_reason() -> None:
    with pytest.raises(DataError, match="without a reason"):
        judge.score(Fake(None), HERE)  # type: ignore[arg-type]
    assert judge.score(Fake(None, reason="x"), HERE).reason == "x"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "direction", "at", "gone"),
    [
        (-2.0, "higher is worse", 1.0, 0.0),
        (-0.5, "higher is worse", 1.0, 0.5),
        (1.5, "higher is worse", 1.0, 1.0),
        (2.0, "higher is better", -1.0, 0.0),
        (0.5, "higher is better", -1.0, 0.5),
        (-1.5, "higher is better", -1.0, 1.0),
        (0.0, "higher is worse", -2.0, 1.0),
        (0.0, "higher is better", 2.0, 1.0),
        (None, "higher is worse", 1.0, None),
    ],
)
def test_progress_runs_from_the_best_value_to_the_line(
    value: float | None, direction: str, at: float, gone: float | None
) -> None:
    found = judge.judged(Fake(value, direction, reason="x"), HERE, at)  # type: ignore[arg-type]
    assert found.progress == gone
    assert not found.breached or found.progress == 1.0


@pytest.mark.parametrize(
    ("value", "direction", "broke", "scale"),
    [
        (0.5, "higher is worse", True, 0.375),
        (0.4, "higher is worse", False, 0.4),
        (0.5, "higher is better", False, 0.625),
        (0.4, "higher is better", True, 0.6),
        (-2.0, "higher is worse", False, 1.0),
        (-2.0, "higher is better", True, 0.0),
        (None, "higher is better", None, None),
    ],
)
def test_breach_and_scale(value: float | None, direction: str, broke: bool | None, scale: float | None) -> None:
    fake = Fake(value, direction)
    score = Score(value=value, reason="r")
    assert judge.breached(score, fake, 0.5) is broke  # type: ignore[arg-type]
    assert judge.normalised(score, fake) == (None if scale is None else pytest.approx(scale))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Together(Fake):
    """A dimension that would rather judge several at once."""

    def scores(self, *, transcripts: list[Transcript]) -> list[Score]:
        return [Score(value=float(i)) for i in range(len(transcripts))]


def test_several_are_judged_at_once_where_that_is_offered_and_checked_all_the_same() -> None:
    assert [s.value for s in judge.scores(Fake(1.0), [HERE] * 3)] == [1.0] * 3
    assert [s.value for s in judge.scores(Together(None), [HERE] * 3)] == [0.0, 1.0, 2.0]
    with pytest.raises(DataError, match="outside its bounds"):
        judge.scores(Together(None), [HERE] * 4)
