"""Choices by letter: the same as the letters' own probabilities, over both orders, at servers of several kinds."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.evaluation.items import Item, plain
from gnomon.evaluation.judges.choosing import Choosing
from gnomon.evaluation.picking import LETTERS, lettered, picked, shares
from gnomon.evaluation.runner import ask
from gnomon.evaluation.suites._choices import scores
from gnomon.executor.answers import Store
from gnomon.models.client import Client
from gnomon.models.endpoint import Endpoint
from gnomon.models.local import LocalModel
from gnomon.models.wire import Failure, Reply
from tests.models.test_endpoint import completion, serving

ITEM = Item(
    id="i",
    cluster="c",
    prompt=Transcript((Message("system", "Be kind."), Message("user", "Which is a fruit?"))),
    choices=("A long description of a stone", "Pear", "Hat"),
)
LIKING = {"A long description of a stone": 0.5, "Pear": 2.0, "Hat": -1.0}
FIRST = 1.5
"""How much this server likes whatever stands first."""


def options(data: dict[str, Any]) -> list[str]:
    lines = data["messages"][-1]["content"].split("\n")
    return [line.partition(". ")[2] for line in lines if line[1:3] == ". "]


def chat(content: str, top: list[tuple[str, float]]) -> web.Response:
    tokens = [{"token": t, "logprob": p} for t, p in top]
    choice = {"message": {"role": "assistant", "content": content}, "logprobs": {"content": [{"top_logprobs": tokens}]}}
    return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})


def pick(url: str, item: Item) -> tuple[float, ...] | Failure:
    async def one() -> tuple[float, ...] | Failure:
        async with Client(Endpoint(url=url, model="m", tries=1)) as client:
            return await picked(client, item, 0)

    return asyncio.run(one())


def softmax(values: list[float]) -> list[float]:
    weights = [math.exp(v) for v in values]
    return [w / sum(weights) for w in weights]


def test_a_liking_for_the_first_place_is_averaged_out() -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        data = await request.json()
        assert (data["logprobs"], data["top_logprobs"]) == (True, 20)
        assert data["messages"][0]["content"] == "Be kind."
        values = [LIKING[o] + FIRST * (n == 0) for n, o in enumerate(options(data))]
        shared = [(LETTERS[n], math.log(p * 0.5)) for n, p in enumerate(softmax(values))]
        # The same letter may stand among the tokens with a blank before it; other tokens are no letters.
        return chat("B", [("The", math.log(0.2)), *((f" {t}", p - math.log(2)) for t, p in shared),
                          *((t, p - math.log(2)) for t, p in shared)])  # fmt: skip

    with serving(answer) as (url, seen):
        found = pick(url, ITEM)
    assert not isinstance(found, Failure)
    back = [0.5, 2.0, -1.0 + FIRST]
    expected = [(a + b) / 2 for a, b in zip(softmax([0.5 + FIRST, 2.0, -1.0]), softmax(back), strict=True)]
    assert [math.exp(p) for p in found] == pytest.approx(expected)
    assert len(seen) == 2


@pytest.mark.parametrize(("written", "taken"), [("B", 1), ("(b) no: A", 0), (" The answer is C.", 2)])
def test_a_server_without_log_probabilities_is_taken_at_its_word(written: str, taken: int) -> None:
    found = shares(Reply(Message("assistant", written), 1, 1), 3)
    assert found is not None
    assert found.index(max(found)) == taken
    assert 0.99 < max(found) < 1
    assert sum(found) == pytest.approx(1)


def test_a_refused_wish_for_log_probabilities_is_left_out() -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        data = await request.json()
        if "logprobs" in data:
            return web.Response(status=400, text="this model gives no logprobs")
        return completion(LETTERS[options(data).index("Pear")])

    with serving(answer) as (url, seen):
        found = pick(url, ITEM)
    assert not isinstance(found, Failure)
    assert found[1] > -0.01
    assert len(seen) == 4


def test_what_cannot_be_asked_or_read_is_a_failure_that_says_so() -> None:
    async def mute(request: web.Request, count: int) -> web.StreamResponse:
        return completion("I would rather not.")

    with serving(mute) as (url, _):
        assert "no letter in the reply 'I would rather not.'" in str(pick(url, ITEM))
        assert "plain text" in str(pick(url, Item(id="p", cluster="c", prompt=plain("x"), choices=("a", "b"))))
        many = Item(id="m", cluster="c", prompt=ITEM.prompt, choices=tuple(map(str, range(30))))
        assert "30 choices are too many" in str(pick(url, many))


def test_the_engine_keeps_that_choices_had_letters(tmp_path: Path) -> None:
    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        data = await request.json()
        return completion(LETTERS[options(data).index("Pear")])

    with serving(answer) as (url, seen), Store.open(tmp_path / "store") as store:
        for _ in range(2):
            found = ask(items=[ITEM], model=Endpoint(url=url, model="m"), sampling=Sampling(), store=store)["i"]
            assert found.lettered
            assert found.error == ""
        assert len(seen) == 2, "asked once, in two orders"
    by_byte = scores(ITEM, {"i": found}, "byte")
    assert by_byte == found.logprobs, "a letter is no longer for a longer choice"


def test_the_embedded_model_behind_a_server_takes_what_its_own_letters_say(embedded: LocalModel) -> None:
    import torch

    async def answer(request: web.Request, count: int) -> web.StreamResponse:
        data = await request.json()
        talk = Transcript(tuple(Message(m["role"], m["content"]) for m in data["messages"]))
        with torch.no_grad():
            logits = embedded.model(torch.tensor([embedded.encode(talk)])).logits[0, -1].double()
        top = logits.log_softmax(0).topk(20)
        pairs = zip(top.values.tolist(), top.indices.tolist(), strict=True)
        return chat("", [(embedded.tokenizer.decode([i]), p) for p, i in pairs])

    with serving(answer) as (url, _):
        found = pick(url, ITEM)
    assert not isinstance(found, Failure)
    own = Choosing(local=embedded)
    totals = [0.0, 0.0, 0.0]
    for order in ([0, 1, 2], [2, 1, 0]):
        (vote,) = own.votes(prompts=[Transcript(lettered(ITEM, order))], options=LETTERS[:3])
        for letter, place in zip(LETTERS, order, strict=False):
            totals[place] += vote.shares[letter] / 2
    assert [math.exp(p) for p in found] == pytest.approx(totals, abs=0.02), "a letter with a blank before it counts too"
