"""Many requests under way at an endpoint, for a program that is not asynchronous: put requests in, take out what came.

Requests run in one event loop in a thread of its own and come back in the order in which they are answered, so a slow
one holds nobody else. It keeps no replies and decides nothing.
Units: seconds from putting a request in until it came back, waiting for the endpoint's pace included.
Fails: closed; a spent budget of the endpoint, or any other error but a request's own failure, is given back as it is.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from gnomon.core.protocols import Sampling
from gnomon.core.types import Message
from gnomon.models.client import Client
from gnomon.models.wire import Failure, Reply

if TYPE_CHECKING:
    from gnomon.models.endpoint import Endpoint


class Came(NamedTuple):
    """What became of one request."""

    name: int
    """As it was put in."""
    what: Reply | Failure | BaseException
    seconds: float


class Stream:
    """Requests to one endpoint. `with` opens and closes it; what is under way at the end is given up."""

    def __init__(self, endpoint: "Endpoint", came: "queue.SimpleQueue[Came]") -> None:
        self._endpoint, self._came = endpoint, came
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Reply | Failure]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gnomon-stream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def put(self, name: int, messages: Sequence[Message], sampling: Sampling, seed: int) -> None:
        """Send a request as soon as the endpoint's pace lets it go."""
        self._loop.call_soon_threadsafe(self._begin, name, messages, sampling, seed)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        async with Client(self._endpoint) as self._client:
            self._ready.set()
            await self._end.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, name: int, messages: Sequence[Message], sampling: Sampling, seed: int) -> None:
        start = time.monotonic()
        task = self._loop.create_task(self._client.reply(messages, sampling, seed))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(name, start, done))

    def _finished(self, name: int, start: float, task: "asyncio.Task[Reply | Failure]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whatever went wrong is raised by whoever takes it.
            self._came.put(Came(name, task.exception() or task.result(), time.monotonic() - start))
