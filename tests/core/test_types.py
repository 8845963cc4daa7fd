"""The nouns: frozen, with ids that are digests of content and nothing else."""

import dataclasses
import inspect

import pytest

from gnomon.core import types
from gnomon.core.types import Message, Record, Score, Transcript

NOUNS = [k for _, k in inspect.getmembers(types, dataclasses.is_dataclass) if k.__module__ == types.__name__]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda n: n.__name__)
def test_frozen_and_documented(noun: type) -> None:
    assert noun.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert noun.__doc__
    assert not noun.__doc__.startswith(f"{noun.__name__}(")


def test_reply_and_request() -> None:
    asked = Transcript((Message("system", "s"), Message("user", "q")), {"a": 1})
    assert (asked.reply, asked.request) == ("", "q")
    answered = asked.answered("yes")
    assert (answered.reply, answered.request, answered.expect) == ("yes", "q", {"a": 1})
    assert len(asked.messages) == 2
    assert (Transcript(()).reply, Transcript(()).request) == ("", "")
    assert Transcript((Message("assistant", "a"), Message("tool", "t"))).reply == ""


def test_ids_follow_content() -> None:
    one = Transcript((Message("user", "q"),), {"a": 1, "b": 2})
    assert one.id == Transcript((Message("user", "q"),), {"b": 2, "a": 1}).id
    assert one.id != Transcript((Message("user", "q"),), {"a": 1, "b": 3}).id
    assert one.id != Transcript((Message("system", "q"),), {"a": 1, "b": 2}).id
    assert len(one.id) == 64
    record = Record(kind="a", payload="p", labels={"x": "y"})
    assert record.id != Record(kind="a", payload="p", labels={"x": "z"}).id


def test_unscored() -> None:
    score = Score.unscored("why")
    assert (score.value, score.reason, score.spans) == (None, "why", ())
