"""Against a real endpoint on 127.0.0.1 that flaps, against models in this process, and against kill -9."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gnomon.core.errors import BudgetSpent, EndpointError, ModelError
from gnomon.core.protocols import Model, Sampling
from gnomon.core.types import Message, Transcript
from gnomon.evaluation.items import Answer, Item
from gnomon.evaluation.likelihood import likelihoods
from gnomon.evaluation.runner import Limits, ask
from gnomon.executor.answers import Store
from gnomon.models.endpoint import Endpoint
from tests.models.test_endpoint import completion, serving

SAMPLING = Sampling(max_new_tokens=8, temperature=1.0, seed=5)


def items(count: int, samples: int = 1) -> Iterator[Item]:
    for n in range(count):
        prompt = Transcript((Message("user", f"question {n}"),), {"answer": n})
        yield Item(id=f"i{n}", cluster=f"c{n}", prompt=prompt, samples=samples)


async def tell(request: web.Request, count: int) -> web.StreamResponse:
    """The same reply for the same request, as an honest endpoint with a seed."""
    body = await request.json()
    return completion(f"{body['messages'][-1]['content']} / {body['seed']}")


def asked_for(seen: Sequence[dict[str, Any]]) -> Counter[tuple[str, int]]:
    return Counter((r["body"]["messages"][-1]["content"], r["body"]["seed"]) for r in seen)


def test_every_sample_is_asked_once_and_again_never(tmp_path: Path) -> None:
    with serving(tell) as (url, seen):
        model = Endpoint(url=url, model="m", concurrency=32)
        with Store.open(tmp_path) as store:
            found = ask(items=items(40, samples=3), model=model, sampling=SAMPLING, store=store)
            digest = found.digest()
            assert list(found) == [f"i{n}" for n in range(40)]
            for n in range(40):
                replies = [t.reply for t in found[f"i{n}"].replies]
                assert len(set(replies)) == 3, "samples have seeds of their own"
                assert all(r.startswith(f"question {n} /") for r in replies)
        assert len(seen) == 120
        assert set(asked_for(seen).values()) == {1}
        with Store.open(tmp_path) as store:
            assert ask(items=items(40, samples=3), model=model, sampling=SAMPLING, store=store).digest() == digest
            assert len(seen) == 120, "the cache is the store"
            ask(items=items(41, samples=4), model=model, sampling=SAMPLING, store=store)
            assert len(seen) == 120 + 40 + 4, "only what is new is asked"
            ask(items=items(1), model=model, sampling=replace(SAMPLING, seed=6), store=store)
            assert len(seen) == 165


def test_what_comes_twice_is_asked_once(tmp_path: Path) -> None:
    twins = [*items(10), *items(10), *(replace(i, id="twin " + i.id) for i in items(10))]
    with serving(tell) as (url, seen), Store.open(tmp_path) as store:
        model = Endpoint(url=url, model="m", concurrency=30)
        found = ask(items=twins, model=model, sampling=SAMPLING, store=store)
        assert (len(found), len(seen)) == (20, 10)
        assert found["twin i3"].replies == found["i3"].replies


def test_it_works_inside_a_running_loop(tmp_path: Path) -> None:
    async def caller(url: str, store: Store) -> int:
        model = Endpoint(url=url, model="m")
        return sum(not a.error for a in ask(items=items(5), model=model, sampling=SAMPLING, store=store).answers())

    with serving(tell) as (url, _), Store.open(tmp_path) as store:
        assert asyncio.run(caller(url, store)) == 5


HANG = 0.6
"""Seconds: longer than the client waits."""


async def flapping(request: web.Request, count: int) -> web.StreamResponse:
    """Of ten requests one is refused, one fails, one hangs, one is cut, one is garbage, one is slow, four are fine."""
    kind = random.Random(count).randrange(10)
    if kind == 0:
        return web.Response(status=429, headers={"Retry-After": "0.01"})
    if kind == 1:
        return web.Response(status=500, text="oops")
    if kind == 2:
        await asyncio.sleep(HANG)
    if kind == 3:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [{"mess')
        assert request.transport
        request.transport.abort()
        return response
    if kind == 4:
        return web.Response(text='{"choices": "gar')
    if kind == 5:
        await asyncio.sleep(0.05)
    return await tell(request, count)


def test_a_flapping_endpoint_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    with serving(tell) as (url, _), Store.open(tmp_path / "calm") as store:
        model = Endpoint(url=url, model="m")
        calm = [a.replies for a in ask(items=items(40, 2), model=model, sampling=SAMPLING, store=store).answers()]
    with serving(flapping) as (url, seen), Store.open(tmp_path / "flapping") as store:
        model = Endpoint(url=url, model="m", concurrency=40, seconds=0.3, tries=40, hangs=40, pause=0.001)
        found = ask(items=items(40, 2), model=model, sampling=SAMPLING, store=store)
        assert not any(a.error for a in found.answers())
        assert len(store) == 80
        assert len(asked_for(seen)) == 80
        assert len(seen) == model.spent.requests > 100
        # The address is part of a key and so of the seed: only the questions can be compared with the calm endpoint.
        texts = [[t.reply.split(" /")[0] for t in a.replies] for a in found.answers()]
        time.sleep(HANG)  # the server ends what hangs
    assert texts == [[t.reply.split(" /")[0] for t in replies] for replies in calm]


def test_what_fails_for_good_is_an_error_that_is_counted_and_asked_again(tmp_path: Path) -> None:
    broken = True

    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        text = (await request.json())["messages"][-1]["content"]
        if broken and int(text.split()[1]) % 4 == 0:
            return web.Response(status=500, text="oops")
        return await tell(request, count)

    heard: dict[str, float] = {}

    class Heard:
        def number(self, name: str, value: float, unit: str, step: int) -> None:
            heard[name] = value

        def record(self, record: Any) -> None:
            raise AssertionError

    with serving(answer) as (url, seen), Store.open(tmp_path) as store:
        model = Endpoint(url=url, model="m", tries=3, pause=0.001)
        found = ask(items=items(20), model=model, sampling=SAMPLING, store=store, sink=Heard())
        errors = [a for a in found.answers() if a.error]
        assert [a.item for a in errors] == ["i0", "i4", "i8", "i12", "i16"]
        assert "after 3 tries: status 500 (oops)" in errors[0].error
        assert heard == {"samples.done": 20, "ask/errors": 5}
        assert len(seen) == 15 + 5 * 3
        broken = False
        again = ask(items=items(20), model=model, sampling=SAMPLING, store=store)
        assert not any(a.error for a in again.answers())
        assert len(seen) == 15 + 5 * 3 + 5


def test_an_endpoint_that_is_down_is_not_asked_for_all(tmp_path: Path) -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        return await tell(request, count) if count < 30 else web.Response(status=500)

    with serving(answer) as (url, seen), Store.open(tmp_path) as store:
        model = Endpoint(url=url, model="m", tries=1, concurrency=4)
        with pytest.raises(EndpointError, match=r"20 samples failed one after another.*kept"):
            ask(items=items(10_000), model=model, sampling=SAMPLING, store=store, limits=Limits(patience=20))
        assert len(store) == 30
        assert len(seen) < 60


def test_an_endpoint_that_refuses_every_question_is_not_down(tmp_path: Path) -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        return web.Response(status=400, text="not this one")

    with serving(answer) as (url, _), Store.open(tmp_path) as store:
        model = Endpoint(url=url, model="m")
        found = ask(items=items(50), model=model, sampling=SAMPLING, store=store, limits=Limits(patience=5))
        assert ["not this one" in a.error for a in found.answers()] == [True] * 50


def test_a_wrong_key_stops_at_once(tmp_path: Path) -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        return web.Response(status=401)

    with serving(answer) as (url, seen), Store.open(tmp_path) as store:
        with pytest.raises(EndpointError, match="check the API key"):
            ask(items=items(500), model=Endpoint(url=url, model="m"), sampling=SAMPLING, store=store)
        assert len(seen) <= 16


def test_a_spent_budget_keeps_what_was_answered_and_goes_on_from_there(tmp_path: Path) -> None:
    with serving(tell) as (url, seen), Store.open(tmp_path) as store:
        model = Endpoint(url=url, model="m", max_requests=25, concurrency=8)
        with pytest.raises(BudgetSpent, match="budget of 25 requests"):
            ask(items=items(60), model=model, sampling=SAMPLING, store=store)
        assert len(store) == len(seen) == 25
        more = Endpoint(url=url, model="m", concurrency=8)
        assert len(ask(items=items(60), model=more, sampling=SAMPLING, store=store)) == 60
        assert len(seen) == 60
        assert set(asked_for(seen).values()) == {1}


def test_only_what_is_under_way_is_taken_from_the_items(tmp_path: Path) -> None:
    taken, furthest = 0, 0

    def counted() -> Iterator[Item]:
        nonlocal taken
        for item in items(400):
            taken += 1
            yield item

    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        nonlocal furthest
        furthest = max(furthest, taken - count)
        return await tell(request, count)

    with serving(answer) as (url, _), Store.open(tmp_path) as store:
        ask(items=counted(), model=Endpoint(url=url, model="m", concurrency=10), sampling=SAMPLING, store=store)
    assert taken == 400
    assert furthest <= 20, "items pile up"


PROGRAM = """
import sys
from pathlib import Path
from gnomon.executor.answers import Store
from gnomon.evaluation.runner import ask
from gnomon.models.endpoint import Endpoint
from tests.evaluation.test_runner import SAMPLING, items

url, folder = sys.argv[1:]
with Store.open(Path(folder)) as store:
    model = Endpoint(url=url, model="m", concurrency=20)
    print(ask(items=items(200, 2), model=model, sampling=SAMPLING, store=store).digest())
"""


def stored(folder: Path) -> set[tuple[str, int]]:
    """What whole lines of a store say was answered: question and sample."""
    rows = []
    for path in folder.glob("*.answers"):
        rows += [json.loads(line[42:]) for line in path.read_bytes().split(b"\n")[:-1]]
    return {(r["prompt"][-1]["content"], int(r["reply"]["content"].split(" / ")[1])) for r in rows}


def test_killed_at_any_moment_it_repeats_nothing_that_was_stored(tmp_path: Path) -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return await tell(request, count)

    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, root + "/src"])}
    moments = random.Random(8)
    with serving(answer) as (url, seen):

        def start(folder: Path) -> subprocess.Popen[str]:
            command = [sys.executable, str(program), url, str(folder)]
            return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE)

        folder = tmp_path / "broken"
        for kill in range(5):
            before = stored(folder)
            first = len(seen)
            running = start(folder)
            aim = first + moments.randrange(5, 70)
            while len(seen) < aim:
                assert running.poll() is None
                time.sleep(0.001)
            time.sleep(moments.random() * 0.02)
            running.send_signal(signal.SIGKILL)
            running.communicate()
            assert not before & set(asked_for(seen[first:])), f"asked again after kill {kill}"
        before, first = stored(folder), len(seen)
        assert 0 < len(before) < 400
        resumed = start(folder).communicate()[0]
        later = asked_for(seen[first:])
        assert not before & set(later)
        assert len(later) == sum(later.values()) == 400 - len(before), "what is missing is asked, once"
        # An unbroken run of the same program has the same answers.
        whole = start(tmp_path / "whole").communicate()[0]
    assert len(stored(folder)) == 400
    assert resumed == whole != ""


@dataclass(eq=False)
class Echo:
    """A model in this process that remembers its batches; it refuses one prompt."""

    identity: dict[str, str] = field(default_factory=lambda: {"name": "echo"})
    batches: list[tuple[int, int]] = field(default_factory=list)
    refuses: str = "nothing"

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.batches.append((len(prompts), sampling.seed))
        if any(self.refuses == p.request for p in prompts):
            raise ModelError("a prompt does not fit")
        assert len({p.id for p in prompts}) == len(prompts), "copies in one batch would share a sample's seed"
        return [p.answered(f"{p.request} / {sampling.seed}") for p in prompts]


def test_models_in_this_process_get_batches(tmp_path: Path) -> None:
    model = Echo()
    with Store.open(tmp_path) as store:
        found = ask(items=items(10, 2), model=model, sampling=SAMPLING, store=store, limits=Limits(batch=8))
        assert [n for n, _ in model.batches] == [4, 4, 4, 4, 2, 2]
        assert len({seed for _, seed in model.batches}) == 2
        digest = found.digest()
        other = Echo()
        assert ask(items=items(10, 2), model=other, sampling=SAMPLING, store=store).digest() == digest
        assert other.batches == []
        assert found["i3"].replies[0].expect == {"answer": 3}


def test_a_prompt_that_does_not_fit_costs_only_itself(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        found = ask(items=items(6), model=Echo(refuses="question 2"), sampling=SAMPLING, store=store)
        assert [a.item for a in found.answers() if a.error] == ["i2"]
        assert "does not fit" in found["i2"].error


def test_choices_are_scored_by_the_callers_likelihood_and_kept(tmp_path: Path) -> None:
    calls = []

    def likelihood(*, model: Model, items: Sequence[Item]) -> dict[str, Answer]:
        calls.append([i.id for i in items])
        return {i.id: Answer(item=i.id, logprobs=(-1.5, -2.25), tokens=(1, 2)) for i in items}

    choosing = [replace(i, choices=("yes", "no")) for i in items(3)]
    with Store.open(tmp_path) as store:
        for _ in range(2):
            found = ask(items=choosing, model=Echo(), sampling=SAMPLING, store=store, likelihood=likelihood)
            assert [a.logprobs for a in found.answers()] == [(-1.5, -2.25)] * 3
    assert calls == [["i0", "i1", "i2"]]
    with Store.open(tmp_path / "none") as store, pytest.raises(ModelError, match="need a model in this process"):
        ask(items=choosing, model=Echo(), sampling=SAMPLING, store=store)


def test_choices_and_replies_of_one_local_model(tmp_path: Path, tiny_chat: Any) -> None:
    pytest.importorskip("torch", reason="local models need gnomon[train]")
    model = tiny_chat()
    asked = [
        Item(id=str(n), cluster="c", prompt=Transcript((Message("user", f"{n} 4"),)), samples=2) for n in range(3, 8)
    ]
    both = [*asked, *(replace(i, id=f"choose {i.id}", choices=(" 5", " 6 7")) for i in asked)]
    sampling = replace(SAMPLING, max_new_tokens=4)
    digests = []
    for name, batch in (("one", 64), ("other", 3)):
        with Store.open(tmp_path / name) as store:
            found = ask(items=both, model=model, sampling=sampling, store=store, limits=Limits(batch=batch))
            direct = likelihoods(model=model, items=both)
            assert [found[i].logprobs for i in direct] == [a.logprobs for a in direct.values()]
            assert all(len(found[i.id].replies) == 2 for i in asked)
            digests.append(found.digest())
    assert digests[0] == digests[1], "an answer depends on its batch"
