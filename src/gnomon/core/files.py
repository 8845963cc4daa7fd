"""Reading and writing files so that a killed program leaves the old file or the new one, never half.

It knows no formats but JSON and JSON lines.
Fails: closed; a full disk, a missing folder or a missing right raises StorageError and leaves the old file.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from gnomon.core.errors import DataError, StorageError
from gnomon.core.types import Json


@contextlib.contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn an operating-system error about `path` into one that says what to do."""
    try:
        yield
    except OSError as error:
        hint = {
            28: "the disk is full: free some space, then run the same command again; what was finished is kept",
            27: "the file would be larger than allowed here: raise the limit (ulimit -f), then run it again",
            122: "the disk quota is used up: free some space, then run the same command again",
            13: "permission denied: choose another folder with --out, or change the rights",
            30: "the file system is read-only: choose another folder with --out",
            2: "there is no such file or folder",
        }.get(error.errno or 0, str(error))
        raise StorageError(f"{path}: {hint}") from error


def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Write beside the target, flush to the disk, then rename over it."""
    raw = data.encode() if isinstance(data, str) else data
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(raw)
                handle.flush()
                os.fsync(handle.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def read_text(path: Path) -> str:
    """A file's text as UTF-8. Raises StorageError, or DataError for other encodings."""
    with storage(path):
        raw = path.read_bytes()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error


def read_json(path: Path) -> Json:
    """A file that is one JSON document. Raises DataError at file:line."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON ({error.msg}); write one JSON document") from error


def read_json_lines(path: Path) -> Iterator[tuple[int, Json]]:
    """(line number from 1, value) for each non-empty line. Raises DataError at file:line."""
    # Not splitlines: it also cuts at U+2028 and its like, which JSON allows inside a string.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}:{number}: not JSON ({error.msg}); write one JSON object a line") from error


def json_lines(rows: Iterable[Json]) -> str:
    """Rows as JSON lines text, characters kept as they are."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_text(value: Json) -> str:
    """A value as indented JSON text, keys in their order, characters kept as they are."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
