"""Examples that lie in a file and are read one at a time: a training set larger than memory, in any order.

It knows no rows and no tokenizer (`intake` does). The file is written once and never changed; its name is the caller's.
Shapes: one MessagePack record an example, one behind the other; then where each begins (8 bytes); then the footer.
Units: bytes. In memory: 8 bytes an example while it is written, nothing of it while it is read but pages of the file.
Fails: a file that is cut off or of another program is a DataError; a killed writer leaves no file.
"""

import mmap
import os
import struct
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import msgspec

from gnomon.core.errors import DataError
from gnomon.core.files import storage
from gnomon.training.examples import Example

MAGIC = b"gnomon examples1"
FOOTER = struct.Struct("<QQ16s")
"""Number of examples, where their index begins, and what the file is."""
_RECORD = msgspec.msgpack.Decoder(tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...], float])


class Store(Sequence[Example]):
    """The examples of a file that `write` has written."""

    def __init__(self, path: Path) -> None:
        with storage(path), path.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            self._bytes = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self._path = path
        self._size, self._index, magic = FOOTER.unpack(self._bytes[-FOOTER.size :].rjust(FOOTER.size, b"\0"))
        if magic != MAGIC or self._index + 8 * self._size + FOOTER.size != size:
            raise DataError(f"{path} is no whole file of examples; delete it, and it is made again")

    def __len__(self) -> int:
        return int(self._size)

    @overload
    def __getitem__(self, at: int) -> Example: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Example]: ...
    def __getitem__(self, at: int | slice) -> Example | Sequence[Example]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        start, end = self._start(place), self._start(place + 1) if place + 1 < len(self) else self._index
        try:
            name, prompt, completions, label = _RECORD.decode(self._bytes[start:end])
        except msgspec.DecodeError as error:
            raise DataError(
                f"{self._path}: example {place} is damaged; delete the file, and it is made again"
            ) from error
        return Example(id=name, prompt=prompt, completions=completions, label=label)

    def _start(self, place: int) -> int:
        at = self._index + 8 * place
        return int.from_bytes(self._bytes[at : at + 8], "little")


def write(examples: Iterable[Example], path: Path) -> Store:
    """Write the examples as they come and open the file. An exception of theirs leaves no file."""
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with storage(path), os.fdopen(descriptor, "wb") as handle:
            starts = array("Q")
            for record in map(_record, examples):
                starts.append(handle.tell())
                handle.write(record)
            index = handle.tell()
            for start in starts:
                handle.write(start.to_bytes(8, "little"))
            handle.write(FOOTER.pack(len(starts), index, MAGIC))
            handle.flush()
            os.fsync(handle.fileno())
            os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Store(path)


def _record(example: Example) -> bytes:
    return msgspec.msgpack.encode((example.id, example.prompt, example.completions, example.label))
