"""Run shards one after another in this process, and never run a finished one again.

It does not retry: an error of the task goes to the caller, and what was finished stays.
Fails: a full disk raises StorageError.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnomon.core.protocols import Quiet, Result, Sink
from gnomon.core.types import Json
from gnomon.executor.results import compute, shard_key, stored


@dataclass(frozen=True)
class Local:
    """An executor in this process."""

    folder: Path
    """Where results are kept, and found again after a kill."""
    sink: Sink = field(default_factory=Quiet)
    """Is told `shards.total` at the start and `shards.done` after each shard."""

    def map(self, *, task: Callable[[Any], Json], shards: Iterable[Any], key: Json) -> Iterator[Result]:
        """Results in the order of the shards; `key` names the task and all that its results depend on."""
        work = list(shards)
        self.sink.number("shards.total", len(work), "shards", 0)
        for done, shard in enumerate(work, start=1):
            name = shard_key(key, shard)
            result = stored(self.folder, name) or compute(task, shard, name, self.folder)
            self.sink.number("shards.done", done, "shards", done)
            yield result
