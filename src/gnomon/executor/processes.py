"""Run shards in several processes of this machine; results are the same as `local` gives, byte for byte.

It does not retry. Tasks and shards must be picklable: a function of a module, or a partial of one. Workers are
started fresh (spawn), store their own results, and end when this program is killed.
Fails: a worker that dies raises GnomonError; a full disk raises StorageError; what was finished stays.
"""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnomon.core.errors import GnomonError, SettingsError
from gnomon.core.protocols import Quiet, Result, Sink
from gnomon.core.types import Json
from gnomon.executor.results import compute, shard_key, stored


def _end_with_parent() -> None:
    """Leave when the parent is gone: a worker would otherwise wait for ever after a kill -9 of the parent."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class Processes:
    """An executor over a pool of processes."""

    folder: Path
    """Where results are kept, and found again after a kill."""
    sink: Sink = field(default_factory=Quiet)
    """Is told `shards.total` at the start and `shards.done` after each shard."""
    workers: int = 2
    """Processes that run at the same time."""

    def map(self, *, task: Callable[[Any], Json], shards: Iterable[Any], key: Json) -> Iterator[Result]:
        """Results in the order of the shards; `key` names the task and all that its results depend on."""
        if self.workers < 1:
            raise SettingsError(f"workers must be at least 1, not {self.workers}")
        work = [(shard, shard_key(key, shard)) for shard in shards]
        self.sink.number("shards.total", len(work), "shards", 0)
        finished = {name: found for _, name in work if (found := stored(self.folder, name))}
        missing = {name: shard for shard, name in work if name not in finished}
        if not missing:
            yield from self._told(finished[name] for _, name in work)
            return
        pool = ProcessPoolExecutor(
            min(self.workers, len(missing)), multiprocessing.get_context("spawn"), initializer=_end_with_parent
        )
        try:
            running = {name: pool.submit(compute, task, s, name, self.folder) for name, s in missing.items()}
            yield from self._told(finished.get(name) or _wait(running[name]) for _, name in work)
        finally:
            pool.shutdown(cancel_futures=True)

    def _told(self, results: Iterable[Result]) -> Iterator[Result]:
        for done, result in enumerate(results, start=1):
            self.sink.number("shards.done", done, "shards", done)
            yield result


def _wait(future: "Future[Result]") -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise GnomonError(
            "a worker process died (out of memory, or killed); run the same command again, with fewer workers: "
            "what was finished is kept"
        ) from error
