"""Rows of a data set, one after another: the file may be larger than memory, and a broken row is named by file:line.

It makes no tokens (`intake` does). All rows of a source have one format (`formats`), found at its first row.
Position: `number` of a row counts the rows before it, broken ones too; `read(start=row.number + 1)` goes on behind it.
Fails: closed; a broken row ends the reading, unless the caller brings a `Skipped` that counts and keeps what was wrong.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gnomon.core import seeds
from gnomon.core.errors import DataError
from gnomon.core.files import storage
from gnomon.core.types import Json
from gnomon.training.formats import ALSO, COLUMNS, Kind, Row, Seen, convert, recognise
from gnomon.training.shards import Shard, shards

T = TypeVar("T")

KEPT = 20
"""Messages about broken rows that are kept; the rest is counted."""
BUFFER = 1 << 20
"""Bytes of a Parquet column that are read at a time: a file may be one row group, as large as itself."""
BATCH = 64
"""Rows of a Parquet file that are decoded at a time."""


@dataclass
class Skipped:
    """Broken rows that were passed over: how many, and what was wrong with the first."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, error: DataError) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append(str(error))


def read(
    source: str | Path,
    *,
    kinds: Sequence[Kind] = (),
    split: str = "train",
    limit: int | None = None,
    start: int = 0,
    skipped: Skipped | None = None,
) -> Iterator[Row]:
    """Rows of a file, a folder of shards or a hub id. Raises DataError.

    `kinds`: what may be read of a row, the first that fits; without, a row must have exactly one meaning.
    `limit`: most rows that are given; `start`: rows of the source that are passed over.
    """
    return islice(_rows(source, kinds, split, start, skipped), limit)


def shuffled(rows: Iterable[T], *, buffer: int, seed: int, start: int = 0) -> Iterator[T]:
    """The rows in a drawn order, of which only `buffer` are held: each next one comes from the `buffer` rows before it.

    `start`: how many were taken already; the same rows are read and drawn again, so that the rest is the same.
    """
    draw = seeds.generator(seed, "shuffle")
    held: list[T] = []

    def drawn() -> Iterator[T]:
        for row in rows:
            if len(held) < buffer:
                held.append(row)
                continue
            at = draw.randrange(buffer)
            taken, held[at] = held[at], row
            yield taken
        draw.shuffle(held)
        yield from held

    return islice(drawn(), start, None)


def _rows(source: str | Path, kinds: Sequence[Kind], split: str, start: int, skipped: Skipped | None) -> Iterator[Row]:
    first: tuple[Seen, str] | None = None
    number, given = -1, 0
    for shard in shards(source, split):
        for line, raw in _raw(shard, start - number - 1):
            number += 1
            if raw is None:
                continue
            place = f"{shard.name}:{line}"
            try:
                value = _value(raw)
                seen = recognise(value, kinds)
                row = replace(convert(value, seen), place=place, number=number)
            except DataError as error:
                found = DataError(f"{place}: {error}")
                if skipped is None:
                    raise found from error
                skipped.add(found)
                continue
            first = first or (seen, place)
            if seen != first[0]:
                # Not a broken row, so never skipped: which of the two the file is cannot be told.
                raise DataError(f"{place}: is {seen}, but {first[1]} is {first[0]}; write one format a file")
            given += 1
            yield row
    if not given and skipped is not None and skipped.count:
        raise DataError(f"{source}: all {skipped.count} rows are broken; the first: {skipped.first[0]}")
    if number < 0:
        raise DataError(f"{source}: has no rows")


def _value(raw: bytes | Mapping[str, Json]) -> Any:
    if not isinstance(raw, bytes):
        return raw
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not JSON ({error}); write one JSON object a line") from error


def _raw(shard: Shard, start: int) -> Iterator[tuple[int, bytes | Mapping[str, Json] | None]]:
    """(line or row number from 1, what stands there) of every row; None for the first `start`, which are not parsed."""
    path = shard.path()
    lines = _parquet(shard, path, start) if str(path).endswith(".parquet") else _lines(shard, path)
    for at, (line, raw) in enumerate(lines):
        yield line, None if at < start else raw


def _lines(shard: Shard, path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    opened = gzip.open if path.suffix == ".gz" else open
    with storage(path), opened(path, "rb") as handle:
        try:
            # Binary lines end at \n alone; as text they would also end at U+2028, which JSON allows inside a string.
            for number, line in enumerate(handle, start=1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield number, line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{shard.name}:{number + 1}: the gzip file is damaged or cut off ({error})") from error


def _parquet(shard: Shard, path: Path, start: int) -> Iterator[tuple[int, Mapping[str, Json] | None]]:
    """Rows of a Parquet file, a few at a time; row groups before `start` are not opened."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{shard.name}: reading Parquet needs pyarrow: pip install 'gnomon[train]'") from error
    try:
        with storage(path), parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            columns = [c for c in file.schema_arrow.names if c in {*COLUMNS, *ALSO}]
            if not columns:
                raise DataError(
                    f"{shard.name}: has columns {', '.join(file.schema_arrow.names)}, of which none is known"
                )
            number = 0
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if number + rows <= start:
                    yield from ((number + at, None) for at in range(1, rows + 1))
                    number += rows
                    continue
                for batch in file.iter_batches(BATCH, row_groups=[group], columns=columns, use_threads=False):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
    except pyarrow.ArrowException as error:
        raise DataError(f"{shard.name}: is no whole Parquet file ({error}); fetch or write it again") from error
