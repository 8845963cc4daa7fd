"""Atomic writes, with disks that are full at every step, and readers that name the line."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gnomon.core import files
from gnomon.core.errors import DataError, StorageError


def test_writes_and_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two\n", mode=0o600)
    assert path.read_bytes() == b"two\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace", "fdopen"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    path = tmp_path / "a.txt"
    files.write_atomic(path, "old")

    def full(*arguments: object, **_: object) -> None:
        if step == "fdopen":
            os.close(arguments[0])  # type: ignore[arg-type]
        raise OSError(number, "full")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(StorageError, match=r"a\.txt: .*free some space"):
        files.write_atomic(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_real_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(StorageError, match="disk is full"), files.storage(Path("/dev/full")):
        Path("/dev/full").write_bytes(b"x")


def test_a_kill_between_write_and_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.write_atomic(path, "old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "no such file"),
        (errno.EIO, "I/O"),
    ],
)
def test_storage_says_what_to_do(number: int, words: str) -> None:
    with pytest.raises(StorageError, match=words), files.storage(Path("x")):
        raise OSError(number, os.strerror(number).replace("Input/output", "I/O"))


def test_missing_file() -> None:
    with pytest.raises(StorageError, match="no such file"):
        files.read_text(Path("/nowhere/at/all"))


def test_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ab\xff")
    with pytest.raises(DataError, match="byte 2 is not UTF-8"):
        files.read_text(tmp_path / "a")


def test_json_lines_roundtrip_and_the_bad_line_is_named(tmp_path: Path) -> None:
    rows = [{"a": 1}, "ä", "a\u2028b\x85", [None, True], 1.5]
    path = tmp_path / "rows.jsonl"
    files.write_atomic(path, files.json_lines(rows))
    assert [row for _, row in files.read_json_lines(path)] == rows
    path.write_bytes('{"a": "one\u2028line"}\r\n{"a": "\x85"}'.encode())
    assert [row["a"] for _, row in files.read_json_lines(path)] == ["one\u2028line", "\x85"]
    path.write_text('{"a": 1}\n\n{"a": \n')
    lines = files.read_json_lines(path)
    assert next(lines) == (1, {"a": 1})
    with pytest.raises(DataError, match=r"rows\.jsonl:3: not JSON"):
        next(lines)


def test_one_json_document_or_the_line_that_breaks_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a":\n [1, 2]}')
    assert files.read_json(tmp_path / "a.json") == {"a": [1, 2]}
    (tmp_path / "a.json").write_text('{"a":\n [1, 2}')
    with pytest.raises(DataError, match=r"a\.json:2: not JSON .*write one JSON document"):
        files.read_json(tmp_path / "a.json")
