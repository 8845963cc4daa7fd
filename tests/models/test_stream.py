"""Requests come back as they are answered, failures as values, and closing gives up what is under way."""

import asyncio
import queue
import time

from aiohttp import web

from gnomon.core.errors import BudgetSpent
from gnomon.core.types import Message
from gnomon.models.endpoint import Endpoint
from gnomon.models.stream import Came, Stream
from gnomon.models.wire import Failure, Reply
from tests.models.test_endpoint import SAMPLING, completion, serving


def put(stream: Stream, name: int, text: str) -> None:
    stream.put(name, (Message("user", text),), SAMPLING, 0)


async def waits(request: web.Request, count: int) -> web.StreamResponse:
    text = (await request.json())["messages"][0]["content"]
    if text == "fail":
        return web.Response(status=400, text="no")
    await asyncio.sleep(float(text))
    return completion(text)


def test_the_fastest_is_first_and_a_failure_is_a_value() -> None:
    came: queue.SimpleQueue[Came] = queue.SimpleQueue()
    with serving(waits) as (url, _), Stream(Endpoint(url=url, model="m"), came) as stream:
        for name, text in enumerate(["0.4", "0.0", "0.2", "fail"]):
            put(stream, name, text)
        found = [came.get(timeout=10) for _ in range(4)]
    assert [c.name for c in found if isinstance(c.what, Reply)] == [1, 2, 0]
    (failed,) = [c for c in found if isinstance(c.what, Failure)]
    assert failed.name == 3
    assert found[-1].seconds >= 0.4


def test_a_spent_budget_is_given_back_and_no_thread_is_left() -> None:
    came: queue.SimpleQueue[Came] = queue.SimpleQueue()
    with serving(waits) as (url, seen):
        with Stream(Endpoint(url=url, model="m", max_requests=1), came) as stream:
            put(stream, 0, "0")
            assert isinstance(came.get(timeout=10).what, Reply)
            put(stream, 1, "0")
            assert isinstance(came.get(timeout=10).what, BudgetSpent)
        start = time.monotonic()
        with Stream(Endpoint(url=url, model="m"), came) as other:
            put(other, 2, "30")
            while len(seen) < 2:
                time.sleep(0.001)
        assert time.monotonic() - start < 20, "it does not wait for what is under way"
    assert not other._thread.is_alive()
