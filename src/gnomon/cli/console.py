"""What a person sees in the terminal: progress with time left, tables, messages. Nothing else prints.

Progress and messages go to standard error, results to standard output, so that results can be piped.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.table import Table

from gnomon.core.canonical import to_builtins
from gnomon.core.types import Estimate, Json, Record

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Stage:
    """A sink that moves one stage's bar, with the last other number beside it."""

    progress: Progress
    task: TaskID

    def number(self, name: str, value: float, unit: str, step: int) -> None:
        """`*.total` sets the bar's length, `*.done` moves it, anything else is shown beside it."""
        if name.endswith(".total"):
            self.progress.update(self.task, total=value)
        elif name.endswith(".done"):
            self.progress.update(self.task, completed=value)
        else:
            self.progress.update(self.task, beside=f"{name.split('/')[-1]} {value:.4g} {unit}".strip())

    def record(self, record: Record) -> None:
        """Records are shown by the commands that asked for them."""


@dataclass(frozen=True)
class Bars:
    """One bar a stage, in the order in which the stages began."""

    progress: Progress
    lines: bool = False
    """Say each stage in a line of its own: there is no terminal to draw bars on."""

    def stage(self, title: str) -> Stage:
        """Begin a stage; the one before it is over. Where no bar can be drawn, a line says so."""
        if self.lines:
            err.print(f"{time.strftime('%H:%M:%S')} {title}", markup=False)
        for task in self.progress.tasks:
            if not task.finished:
                self.progress.update(task.id, total=task.total or 1, completed=task.total or 1)
        return Stage(self.progress, self.progress.add_task(title, total=None, beside=""))


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Bars]:
    """Progress bars with time left, on standard error."""
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeft(),
        TextColumn("[dim]{task.fields[beside]}"),
    )
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as progress:
        yield Bars(progress, lines=not quiet and not err.is_terminal)


def say(text: str) -> None:
    """A message for the person at the terminal."""
    err.print(text, markup=False, soft_wrap=True)


def result(text: str) -> None:
    """One line of the command's result."""
    out.print(text, markup=False)


def result_json(value: object) -> None:
    """The command's result as one JSON document."""
    sys.stdout.write(json.dumps(to_builtins(value), ensure_ascii=False, indent=2) + "\n")


def result_lines(rows: Iterable[Json]) -> None:
    """The command's result as JSON lines, each written as soon as it is there."""
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn, markup=False)


def shown(estimate: Estimate | None) -> str:
    """An estimate as a person reads it: rates in percent, with interval and n."""
    if estimate is None:
        return "not assessed"
    if estimate.unit == "rate":
        return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}], n = {estimate.n}"
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}] {estimate.unit}, n = {estimate.n}"
