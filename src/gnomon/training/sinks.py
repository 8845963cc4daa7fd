"""Where a run's numbers go beside the terminal: a file of JSON lines, TensorBoard, trackio, Weights & Biases.

The file `metrics.jsonl` is always written; the others are chosen by name and imported only then. A run that is resumed
goes on in the same place, and a step that is done twice stands there once: resuming repeats its numbers exactly.
Nothing leaves this machine: trackio keeps its own data base in the home folder, W&B runs offline (`wandb sync` sends).
Units: the file keeps each number's own; the others have no place for it. Shares of work done are for bars, not curves.
Fails: an unknown name or a package that is not installed is a SettingsError; a full disk is a StorageError.
"""

import contextlib
import importlib
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from gnomon.core.errors import SettingsError, choices
from gnomon.core.files import json_lines, read_json_lines, storage
from gnomon.core.protocols import Sink
from gnomon.core.types import Json, Record

FILE = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run's numbers go, and what it is called there."""

    folder: Path
    """The run's own; what is in it is gone on with."""
    project: str = "gnomon"
    run: str = "run"
    """Name of the run inside the project."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """What the run was started with, shown beside its curves."""


@contextmanager
def opened(names: Sequence[str], place: Place) -> Iterator[Sink]:
    """The sinks of these names in one, beside the file; they are closed at the end, however it comes."""
    for name in names:
        if name not in SERVICES:
            raise SettingsError(f"numbers cannot be sent to '{name}'; {choices(name, SERVICES)}")
    with ExitStack() as stack:
        services = [stack.enter_context(SERVICES[name](place)) for name in dict.fromkeys(names)]
        yield stack.enter_context(_file(place.folder / FILE, Several(tuple(services))))


@dataclass(frozen=True)
class Several:
    """Hands everything to several sinks, in their order."""

    sinks: tuple[Sink, ...]

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Hand on a number."""
        for sink in self.sinks:
            sink.number(name, value, unit, step)

    def record(self, record: Record) -> None:
        """Hand on a record."""
        for sink in self.sinks:
            sink.record(record)


@dataclass(frozen=True)
class Lines:
    """One number a line, on the disk before the next; only those are handed on that the file does not hold yet."""

    path: Path
    handle: TextIO
    seen: set[tuple[str, int]]
    others: Sink

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Write a number that is new, and hand it on."""
        if unit == "share done" or (name, step) in self.seen:
            return
        self.seen.add((name, step))
        row = {"step": step, "name": name, "value": value if math.isfinite(value) else None, "unit": unit}
        with storage(self.path):
            self.handle.write(json_lines([row]))
            self.handle.flush()
        self.others.number(name, value, unit, step)

    def record(self, record: Record) -> None:
        """Drop a record: the ledger holds it."""


@dataclass
class Steps:
    """Collects the numbers of a step and logs them together, when the next step begins or all is over."""

    log: Callable[[dict[str, float], int], Any]
    step: int = 0
    held: dict[str, float] = field(default_factory=dict)

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """Keep a number until its step is over."""
        if step != self.step:
            self.flush()
        self.step = step
        self.held[name] = value

    def flush(self) -> None:
        """Log what is kept."""
        if self.held:
            self.log(self.held, self.step)
        self.held = {}

    def record(self, record: Record) -> None:
        """Drop a record: the ledger holds it."""


@contextmanager
def _file(path: Path, others: Sink) -> Iterator[Sink]:
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as raw:
            raw.seek(0)
            raw.truncate(raw.read().rfind(b"\n") + 1)  # a killed run may have left half a line
    seen = {(row["name"], row["step"]) for _, row in read_json_lines(path)}
    with storage(path), path.open("a", encoding="utf-8") as handle:
        yield Lines(path, handle, seen, others)


@contextmanager
def _tensorboard(place: Place) -> Iterator[Sink]:
    try:
        writing: Any = importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        writing = _package("tensorboardX", asked="tensorboard")
    writer = writing.SummaryWriter(str(place.folder / "tensorboard"))

    def log(numbers: dict[str, float], step: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    steps = Steps(log)
    try:
        yield steps
    finally:
        steps.flush()
        writer.close()


@contextmanager
def _trackio(place: Place) -> Iterator[Sink]:
    trackio = _package("trackio")
    with contextlib.redirect_stdout(io.StringIO()):  # it greets and explains itself
        run = trackio.init(
            project=place.project,
            name=place.run,
            resume="allow",
            config=dict(place.settings),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
    steps = Steps(lambda numbers, step: run.log(numbers, step=step))
    try:
        yield steps
    finally:
        steps.flush()
        with contextlib.redirect_stdout(io.StringIO()):
            trackio.finish()  # not run.finish(): it would finish, and say so, once more when Python ends


@contextmanager
def _wandb(place: Place) -> Iterator[Sink]:
    wandb = _package("wandb")
    quiet = {"silent": True, "console": "off", "disable_git": True, "save_code": False, "x_disable_stats": True}
    run = wandb.init(
        project=place.project,
        name=place.run,
        id=place.run,
        resume="allow",
        dir=str(place.folder),
        mode="offline",
        config=dict(place.settings),
        settings=wandb.Settings(**quiet),
    )
    steps = Steps(lambda numbers, step: run.log(numbers, step=step))
    try:
        yield steps
    finally:
        steps.flush()
        run.finish()


def _package(name: str, *, asked: str | None = None) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = asked or name
        raise SettingsError(f"numbers for {package} need its package: pip install {package}") from error


SERVICES: Mapping[str, Callable[[Place], AbstractContextManager[Sink]]] = {
    "tensorboard": _tensorboard,
    "trackio": _trackio,
    "wandb": _wandb,
}
"""Sinks by name."""
