"""Torn tails, damage, several writers, a full disk."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core.errors import StorageError
from gnomon.executor.answers import INDEXED, KEY, Store


def key(n: int) -> bytes:
    return hashlib.sha256(str(n).encode()).digest()[:KEY]


def test_answers_come_back_after_closing_and_the_first_of_a_key_counts(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert store.add(key(1), {"text": "ü\n", "n": 1})
        assert not store.add(key(1), {"text": "other"})
        assert store.get(key(1)) == {"text": "ü\n", "n": 1}
        assert store.get(key(2)) is None
    with Store.open(tmp_path) as store:
        assert len(store) == 1
        assert not store.add(key(1), {"text": "other"})
        assert store.get(key(1)) == {"text": "ü\n", "n": 1}


def test_more_than_fit_in_memory_are_found(tmp_path: Path) -> None:
    count = 2 * INDEXED + 7
    for opening in range(2):
        with Store.open(tmp_path) as store:
            for n in range(count):
                assert store.add(key(n), n) == (opening == 0)
                if n % 100 == 0:
                    store.flush()
            assert len(store) == count
            assert [store.get(key(n)) for n in range(0, count, 97)] == list(range(0, count, 97))


@given(cut=st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_a_file_cut_anywhere_loses_only_its_torn_line(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("store")
    ends = []
    path = folder / "0000.answers"
    with Store.open(folder) as store:
        for n in range(5):
            store.add(key(n), {"n": n})
            store.flush()
            ends.append(path.stat().st_size)
    path.write_bytes(path.read_bytes()[:cut])
    with Store.open(folder) as store:
        assert [key(n) in store for n in range(5)] == [end <= cut for end in ends]
        for n in range(5):
            store.add(key(n), {"n": n})
    with Store.open(folder) as store:
        assert [store.get(key(n)) for n in range(5)] == [{"n": n} for n in range(5)]


def test_a_changed_line_is_not_believed(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for n in range(3):
            store.add(key(n), {"n": n})
    path = tmp_path / "0000.answers"
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":9'))
    with Store.open(tmp_path) as store:
        assert [key(n) in store for n in range(3)] == [True, False, True]


def test_two_writers_have_a_file_each_and_later_see_all(tmp_path: Path) -> None:
    with Store.open(tmp_path) as one, Store.open(tmp_path) as other:
        one.add(key(1), 1)
        other.add(key(2), 2)
        other.add(key(1), "second")
    assert len(list(tmp_path.glob("*.answers"))) == 2
    with Store.open(tmp_path) as store:
        assert (store.get(key(1)), store.get(key(2)), len(store)) == (1, 2, 2)


def test_a_full_disk_keeps_whole_lines_and_the_rest_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    with Store.open(tmp_path) as store:
        store.add(key(1), 1)
        store.flush()
        store.add(key(2), 2)
        real = os.write

        def full(descriptor: int, data: bytes) -> int:
            real(descriptor, data[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="disk is full"):
            store.flush()
        monkeypatch.undo()
        assert store.get(key(2)) == 2
    with Store.open(tmp_path) as store:
        assert (store.get(key(1)), store.get(key(2))) == (1, 2)
