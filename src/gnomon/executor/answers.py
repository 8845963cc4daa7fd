"""Answers on disk by content key, so that what was paid for once is never asked again.

    ANSWERS/0000.answers     one answer a line: crc32, key, JSON; only ever appended to

Lines are written in groups: `flush` returns when they survive a `kill -9` (a power cut may take the last ones). Several
programs may write at the same time, each to a file of its own; all read all. The index is made anew at each opening,
in a temporary database that does not grow in memory. Nothing is ever evicted: delete the folder to ask again.
Source: append-only logs with a checksum a line; the first answer of a key counts.
Fails: closed; a full disk raises StorageError and cuts the file back to whole lines; a torn last line is dropped, a
damaged one is as if it had never been written.
"""

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from gnomon.core.errors import StorageError
from gnomon.core.files import storage
from gnomon.core.types import Json

KEY = 16
"""Bytes of a key."""
HEAD = 8 + 1 + 2 * KEY + 1
"""Characters of a line before its JSON."""
INDEXED = 2048
"""Answers whose places may wait in memory."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Store:
    """Answers by key. `open` makes it; one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: list[int] = []
        """Descriptors, in the order of the names."""
        self._own = -1
        """Place among them of the file that this program writes."""
        self._length = 0
        """Bytes of the own file that are whole lines."""
        self._waiting: dict[bytes, bytes] = {}
        """Lines that are not in the file yet."""
        self._fresh: dict[bytes, tuple[int, int, int]] = {}
        """Places that are not in the index yet."""
        self.database = database()
        self.database.execute("CREATE TABLE place (key BLOB PRIMARY KEY, file, start, length) WITHOUT ROWID")
        self._count = 0

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder for reading and writing; it is made on first use."""
        store = cls(folder)
        try:
            with storage(folder):
                folder.mkdir(parents=True, exist_ok=True)
                own, descriptor = _locked(folder)
                for number, path in enumerate(sorted(folder.glob("*.answers"))):
                    store._files.append(descriptor if path == own else os.open(path, os.O_RDONLY))
                    length = store._scan(number, path)
                    if path == own:
                        store._own, store._length = number, length
                        os.ftruncate(descriptor, length)
        except BaseException:
            store._close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return key in self._waiting or self._place(key) is not None

    def add(self, key: bytes, row: Json) -> bool:
        """Take an answer, plain data or nouns; False if its key has one. It is safe after `flush`."""
        if key in self:
            return False
        body = key.hex().encode() + b" " + _encode(row)
        self._waiting[key] = b"%08x %s\n" % (zlib.crc32(body), body)
        self._count += 1
        return True

    def get(self, key: bytes) -> Any:
        """The answer of a key as JSON gives it back, or None."""
        if (line := self._waiting.get(key)) is None:
            if (place := self._place(key)) is None:
                return None
            file, start, length = place
            with storage(self.folder):
                line = os.pread(self._files[file], length, start)
            if not _sound(line):
                raise StorageError(f"{self.folder}: a stored answer was changed while it was in use; run it again")
        return _decode(line[HEAD:])

    def flush(self) -> None:
        """All answers so far survive a kill when this returns. Raises StorageError; the answers wait for the next."""
        if not self._waiting:
            return
        data = b"".join(self._waiting.values())
        own = self._files[self._own]
        try:
            wrote = os.write(own, data)
            while wrote < len(data):
                wrote += os.write(own, data[wrote:])
        except OSError:
            os.ftruncate(own, self._length)
            with storage(self.folder):
                raise
        for key, line in self._waiting.items():
            self._fresh[key] = (self._own, self._length, len(line))
            self._length += len(line)
        self._waiting.clear()
        if len(self._fresh) >= INDEXED:
            self._index()

    def close(self) -> None:
        """Write what waits, wait for the disk, and give up the files."""
        if not self._files:
            return
        try:
            self.flush()
            with storage(self.folder):
                os.fsync(self._files[self._own])
        finally:
            self._close()

    def _close(self) -> None:
        for descriptor in self._files:
            os.close(descriptor)
        self._files.clear()
        self.database.close()

    def _scan(self, number: int, path: Path) -> int:
        """Take the places of a file's answers; bytes up to the end of its last whole line."""
        start = 0
        with path.open("rb") as handle:
            for line in handle:
                if not line.endswith(b"\n"):
                    break  # torn, or still being written
                if _sound(line):
                    key = bytes.fromhex(line[9 : 9 + 2 * KEY].decode())
                    if self._place(key) is None:
                        self._fresh[key] = (number, start, len(line))
                        self._count += 1
                        if len(self._fresh) >= INDEXED:
                            self._index()
                start += len(line)
        return start

    def _place(self, key: bytes) -> tuple[int, int, int] | None:
        if (found := self._fresh.get(key)) is not None:
            return found
        row = self.database.execute("SELECT file, start, length FROM place WHERE key = ?", (key,)).fetchone()
        return row  # type: ignore[no-any-return]

    def _index(self) -> None:
        rows = sorted((key, *place) for key, place in self._fresh.items())
        self.database.executemany("INSERT OR IGNORE INTO place VALUES (?, ?, ?, ?)", rows)
        self._fresh.clear()


def _locked(folder: Path) -> tuple[Path, int]:
    """The first file that no other program writes, and its descriptor."""
    for number in range(10_000):
        path = folder / f"{number:04d}.answers"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return path, descriptor
    raise StorageError(f"{folder}: too many programs write here at once")


def database() -> sqlite3.Connection:
    """A private database that goes to a temporary file when it grows, and is gone when it is closed."""
    made = sqlite3.connect("", check_same_thread=False)
    made.execute("PRAGMA journal_mode = OFF")
    made.execute("PRAGMA synchronous = OFF")
    made.execute("PRAGMA cache_size = -8192")
    return made


def lines(table: sqlite3.Cursor) -> Iterator[Any]:
    """Rows of a query, a few at a time."""
    while rows := table.fetchmany(256):
        yield from rows


def _sound(line: bytes) -> bool:
    try:
        return len(line) > HEAD and int(line[:8], 16) == zlib.crc32(line[9:-1])
    except ValueError:
        return False
