import pytest

from gnomon.core.errors import DataError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.judge import build
from gnomon.training.judged import Judged, by


def said(text):
    return Transcript((Message("user", "Hello?"), Message("assistant", text)))


def test_what_could_not_be_judged_counts_as_broken():
    judged = Judged(reward=1.0, broken={"b": None, "a": True, "c": False})
    assert judged.breaches == ("a", "b")
    assert judged.harm == 1.0
    assert Judged(reward=1.0, broken={"c": False}).harm == 0.0
    assert Judged(reward=1.0, broken={"c": True}, cost=-0.5).harm == -0.5


@pytest.mark.parametrize("wrong", [{"reward": float("nan")}, {"reward": 1.0, "cost": float("inf")}])
def test_not_a_number_is_refused_at_once(wrong):
    with pytest.raises(DataError, match="give None and a reason"):
        Judged(**wrong)


def test_a_dimension_judges_and_its_direction_is_turned():
    judge = by(build("pattern", {"any": ["yes"]}), {"shout": (build("pattern", {"any": ["!"]}), 0.5)})
    yes, no = judge([said("yes!"), said("no")])
    assert (yes.reward, no.reward) == (-1.0, 0.0), "a higher match is worse, so it earns less"
    assert (yes.broken, no.broken) == ({"shout": True}, {"shout": False})
