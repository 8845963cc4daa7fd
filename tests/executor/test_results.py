import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.core import files
from gnomon.core.canonical import digest
from gnomon.core.errors import DataError, StorageError
from gnomon.core.types import Message, Transcript
from gnomon.executor.results import compute, result_path, shard_key, stored


def test_the_key_depends_on_task_and_shard_and_nothing_else():
    assert shard_key("task", {"a": 1, "b": 2}) == shard_key("task", {"b": 2, "a": 1})
    assert len({shard_key(k, s) for k in ("x", ["x"], {"x": 1}) for s in (1, "1", [1])}) == 9


def test_nouns_may_be_shards():
    shard = Transcript((Message("user", "hello"),))
    assert shard_key("k", shard) == shard_key(
        "k", {"messages": [{"role": "user", "content": "hello", "tool_calls": [], "name": ""}], "expect": {}}
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_fresh_and_resumed_values_are_the_same(tmp_path, value):
    fresh = compute(lambda shard: value, 0, "ab" * 32, tmp_path)
    again = stored(tmp_path, "ab" * 32)
    assert not fresh.resumed
    assert again is not None
    assert again.resumed
    assert repr(again.value) == repr(fresh.value)
    assert digest(fresh.value) == digest(value)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_never_believed(tmp_path, data):
    key = "cd" * 32
    compute(lambda shard: {"rows": list(range(20))}, 0, key, tmp_path)
    path = result_path(tmp_path, key)
    raw = path.read_bytes()
    at, mask = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(1, 255))
    for damaged in (raw[:at], raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :], raw + b"x"):
        path.write_bytes(damaged)
        assert stored(tmp_path, key) is None


def test_a_result_under_another_name_is_not_believed(tmp_path):
    compute(lambda shard: 1, 0, "ab" * 32, tmp_path)
    other = result_path(tmp_path, "cd" * 32)
    other.parent.mkdir()
    result_path(tmp_path, "ab" * 32).rename(other)
    assert stored(tmp_path, "cd" * 32) is None


def test_a_value_that_json_cannot_hold_is_an_error(tmp_path):
    with pytest.raises(DataError):
        compute(lambda shard: float("nan"), 0, "ab" * 32, tmp_path)
    assert stored(tmp_path, "ab" * 32) is None


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="the disk is full"):
        compute(lambda shard: 1, 0, "ab" * 32, tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
