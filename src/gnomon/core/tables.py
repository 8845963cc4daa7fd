"""Rows of public data, as suites and attacks read them: a file, a folder of files, or a data set of the hub.

It gives rows with the place that each came from, so that every complaint names it. Nothing is dropped or mended.
A hub id is `org/name`, `org/name:configuration` or either with `#split`; it needs the package `datasets`.
Fails: closed; a file that can't be read, a row that is no object or lacks a column is a DataError at file:line.
"""

import csv
import importlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.core.errors import DataError, choices
from gnomon.core.seeds import generator
from gnomon.core.types import Json

ENDINGS = (".jsonl", ".json", ".csv")
HUB = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(:(?P<configuration>[\w.-]+))?(#(?P<split>[\w.\[\]:%-]+))?")


@dataclass(frozen=True)
class Row:
    """One row, and where it stands."""

    where: str
    """file:line, or the hub's id and the row's number."""
    source: str
    """The file's path below the folder that was given, without its ending, or the hub's name for the part."""
    values: Mapping[str, Json]

    def __getitem__(self, column: str) -> Json:
        if column not in self.values:
            raise DataError(f"{self.where}: no column '{column}'; {choices(column, self.values)}")
        return self.values[column]

    def text(self, column: str) -> str:
        """A column that must hold text."""
        value = self[column]
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{self.where}: column '{column}' must hold text, not {value!r}")
        return value

    def id(self, *columns: str) -> str:
        """A name for the row: the first of these columns that it has, else its number."""
        own = [v for c in columns if (v := self.values.get(c)) not in (None, "")]
        return f"{self.source}/{own[0] if own else re.split('[: ]', self.where)[-1]}"

    def wrong(self, what: str) -> DataError:
        """An error at this row's place."""
        return DataError(f"{self.where}: {what}")


def rows(path: str, *, split: str, most: int | None = None, seed: int = 0) -> list[Row]:
    """All rows below a path, files in order of their names; a hub's `split` unless its id names one.

    Where a file holds more than `most`, so many of it are drawn, and stay in order.
    """
    if not path:
        raise DataError("the suite needs its data: set path to a file, a folder of files or a hub id")
    place = Path(path).expanduser()
    if place.exists():
        found = [r for file in _files(place) for r in _read(file, _name(file, place))]
    elif (hub := HUB.fullmatch(path)) and place.suffix not in ENDINGS:
        found = list(_hub(hub, split))
    else:
        raise DataError(f"{path}: no such file or folder; name a file, a folder of files or a hub id (org/name)")
    if not found:
        raise DataError(f"{path}: it holds no rows")
    return found if most is None else drawn(found, most, seed)


def drawn(found: Sequence[Row], most: int, seed: int) -> list[Row]:
    """Of each source at most so many rows, drawn by the seed, in their order."""
    if most < 1:
        raise DataError(f"most is {most}; write a number from 1 on, or leave it out")
    drawn: list[Row] = []
    for source in dict.fromkeys(r.source for r in found):
        own = [r for r in found if r.source == source]
        draws = generator(seed, "rows", source)
        drawn += own if len(own) <= most else [own[i] for i in sorted(draws.sample(range(len(own)), most))]
    return drawn


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    files = sorted(f for f in place.rglob("*") if f.suffix in ENDINGS and f.is_file())
    if not files:
        raise DataError(f"{place}: no file here ends in {', '.join(ENDINGS)}")
    return files


def _name(file: Path, place: Path) -> str:
    return file.stem if file == place else file.relative_to(place).with_suffix("").as_posix()


def _read(file: Path, source: str) -> Iterator[Row]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if file.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for values in reader:
            yield Row(f"{file}:{reader.line_num}", source, values)
    elif file.suffix == ".json" and not _is_lines(text):
        whole = _parsed(text, str(file))
        for number, values in enumerate(whole if isinstance(whole, list) else [whole], 1):
            yield _row(values, f"{file}: entry {number}", source)
    else:
        # Not splitlines: a text may hold other line ends than the file's own.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _row(_parsed(line, f"{file}:{number}"), f"{file}:{number}", source)


def _is_lines(text: str) -> bool:
    """Whether a .json holds a JSON object a line, as some public sets name such files."""
    first, _, more = text.strip().partition("\n")
    if not more:
        return False
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _parsed(text: str, where: str) -> Json:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from error


def _row(values: Json, where: str, source: str) -> Row:
    if not isinstance(values, dict):
        raise DataError(f"{where}: a row must be an object, not {type(values).__name__}")
    return Row(where, source, values)


def _hub(hub: re.Match[str], split: str) -> Iterator[Row]:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise DataError(
            f"{hub['id']}: there is no such file or folder, and a data set of the hub needs the package 'datasets'; "
            "install it, or name a path"
        ) from error
    try:
        loaded = datasets.load_dataset(hub["id"], hub["configuration"], split=hub["split"] or split)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{hub[0]}: the hub gave no such data: {error}") from error
    for number, values in enumerate(loaded, 1):
        yield Row(f"{hub[0]}: row {number}", hub["configuration"] or hub["id"].split("/")[-1], dict(values))
