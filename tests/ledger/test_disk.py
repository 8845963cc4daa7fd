"""Locks and durable bytes."""

import os
from pathlib import Path

import pytest

from gnomon.core.errors import StorageError
from gnomon.ledger import disk


def test_the_second_lock_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT) for _ in range(2))
    disk.lock(first, tmp_path)
    with pytest.raises(StorageError, match="another program is writing"):
        disk.lock(second, tmp_path)
    os.close(first)
    disk.lock(second, tmp_path)
    os.close(second)


def test_append_writes_every_byte_even_in_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "log", os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    disk.append(descriptor, b"0123456789", path=path)
    disk.append(descriptor, b"ab", path=path)
    os.close(descriptor)
    assert path.read_bytes() == b"0123456789ab"


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    disk.sync(tmp_path)
    with pytest.raises(StorageError, match="gone"):
        disk.sync(tmp_path / "gone")
