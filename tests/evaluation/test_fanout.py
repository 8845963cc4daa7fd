"""The same answers from workers as from one process, each asked once."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Executor
from gnomon.evaluation import fanout
from gnomon.evaluation.runner import ask
from gnomon.executor.answers import Store
from gnomon.executor.local import Local
from gnomon.executor.processes import Processes
from gnomon.models.endpoint import Endpoint
from tests.evaluation.test_runner import SAMPLING, asked_for, items, tell
from tests.models.test_endpoint import serving


@pytest.mark.parametrize("kind", ["local", "processes", "ray"])
def test_the_digest_is_that_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    if kind == "ray":
        pytest.importorskip("ray", reason="Ray is an extra: install gnomon[ray]")
    from gnomon.executor.ray import Ray

    executor: Executor = {"local": Local, "processes": Processes, "ray": Ray}[kind](tmp_path / "work")
    monkeypatch.setattr(fanout, "SHARD", 16)
    with serving(tell) as (url, seen):
        model = Endpoint(url=url, model="m")
        with Store.open(tmp_path / "here") as store:
            expected = ask(items=items(50, 2), model=model, sampling=SAMPLING, store=store).digest()
        first = len(seen)
        with Store.open(tmp_path / "there") as store:
            ask(items=items(10, 2), model=model, sampling=SAMPLING, store=store)
            found = ask(items=items(50, 2), model=model, sampling=SAMPLING, store=store, executor=executor)
            assert found.digest() == expected
        assert set(asked_for(seen[first:]).values()) == {1}
        assert len(seen) == 2 * first
        with Store.open(tmp_path / "there") as store:
            assert ask(items=items(50, 2), model=model, sampling=SAMPLING, store=store).digest() == expected
        assert len(seen) == 2 * first


def test_errors_come_back_and_are_asked_again(tmp_path: Path) -> None:
    broken = True

    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        await asyncio.sleep(0)
        return web.Response(status=500, text="oops") if broken else await tell(request, count)

    with serving(answer) as (url, _), Store.open(tmp_path / "store") as store:
        model = Endpoint(url=url, model="m", tries=1)
        local = Local(tmp_path / "work")
        found = ask(items=items(5), model=model, sampling=SAMPLING, store=store, executor=local)
        assert ["oops" in a.error for a in found.answers()] == [True] * 5
        broken = False
        found = ask(items=items(5), model=model, sampling=SAMPLING, store=store, executor=local)
        assert not any(a.error for a in found.answers())


def test_budgets_are_refused(tmp_path: Path) -> None:
    model = Endpoint(url="http://127.0.0.1:9", model="m", max_requests=5)
    with Store.open(tmp_path / "store") as store, pytest.raises(SettingsError, match="max_requests"):
        ask(items=items(5), model=model, sampling=SAMPLING, store=store, executor=Local(tmp_path / "work"))
