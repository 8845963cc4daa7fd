import pytest

torch = pytest.importorskip("torch")

from aiohttp import web  # noqa: E402

from gnomon.core.errors import DataError, ModelError  # noqa: E402
from gnomon.core.protocols import Sampling  # noqa: E402
from gnomon.models import adapters, logprobs  # noqa: E402
from gnomon.models.endpoint import Endpoint  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training import rollouts  # noqa: E402
from tests.models.test_endpoint import serving  # noqa: E402
from tests.training import tiny  # noqa: E402

SAMPLING = Sampling(max_new_tokens=6, temperature=1.3, seed=4)


def drawn(subject, adapter=None, **more):
    prompts = rollouts.encode(subject, tiny.PROMPTS, most=6)
    return rollouts.sample(subject, adapter, prompts, **{"group": 3, "first": 5, "sampling": SAMPLING} | more)


def test_rollouts_carry_what_the_sampler_drew(tiny_llama):
    subject = tiny.subject(tiny_llama("float64"))
    found = drawn(subject)
    assert [r.group for r in found] == [g for g in (5, 6, 7, 8) for _ in range(3)]
    assert len({r.ids for r in found[:3]}) > 1, "rollouts of one prompt draw from streams of their own"
    packed = pack([r.prompt.ids for r in found], [r.ids for r in found])
    with torch.no_grad():
        trainer = logprobs.token_logp(subject.model, packed, temperature=1.3)
    assert torch.tensor([x for r in found for x in r.logp]) == pytest.approx(trainer.numpy(), abs=1e-5)
    for rollout in found:
        assert rollout.cut == (rollout.ids[-1] != 2)
        assert (len(rollout.ids) == 6) or not rollout.cut
        assert rollout.transcript.reply == " ".join(f"w{i}" for i in rollout.ids if i != 2)


def test_the_same_seed_gives_the_same_rollouts_and_an_adapter_is_sampled_with(tiny_llama):
    subject = tiny.subject(tiny_llama())
    plain = drawn(subject)
    assert drawn(subject) == plain
    adapter = adapters.attach(subject.model, adapters.LoRA(rank=2))
    assert [r.ids for r in drawn(subject, adapter)] == [r.ids for r in plain], "B is zero: nothing has changed yet"
    for parameter in adapter.parameters:
        parameter.data.normal_()
    assert [r.ids for r in drawn(subject, adapter)] != [r.ids for r in plain]


def test_a_server_gives_text_that_is_made_tokens_again(tiny_llama):
    async def answer(_request, before):
        text = ["w7 w8", "", "w1 w3 w4 w5 w6 w7"][before % 3]
        message = {"role": "assistant", "content": text}
        return web.json_response({"choices": [{"message": message}], "usage": {"total_tokens": 9}})

    with serving(answer) as (url, seen):
        sampler = Endpoint(url=url, model="m", concurrency=1)
        found = drawn(tiny.subject(tiny_llama()), sampler=sampler, group=3)
    assert [r.ids for r in found[:3]] == [(7, 8, 2), (2,), (1, 3, 4, 5, 6, 7)]
    assert [r.cut for r in found[:3]] == [False, False, True]
    assert all(r.logp is None for r in found), "unknown, and never guessed"
    assert len({call["body"]["seed"] for call in seen}) == 12


def test_what_cannot_be_sampled_is_said_before_anything_is(tiny_llama):
    subject = tiny.subject(tiny_llama())
    with pytest.raises(DataError, match="no prompts"):
        rollouts.encode(subject, [], most=6)
    with pytest.raises(ModelError, match=r"prompt 0 holds the token 59, but tiny knows 50 tokens only"):
        rollouts.encode(tiny.subject(tiny_llama(), words=60), tiny.asked("w59"), most=6)
    with pytest.raises(ModelError, match=r"prompt 1 has 60 tokens.*reply of 6.*max_new_tokens to at most 4"):
        rollouts.encode(subject, tiny.asked("w1", " ".join(["w1"] * 60)), most=6)


def test_a_servers_reply_that_is_too_long_for_the_model(tiny_llama):
    async def answer(_request, _before):
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": " ".join(["w1"] * 70)}}]})

    with serving(answer) as (url, _), pytest.raises(ModelError, match="a reply of m has 70 tokens, more than the 64"):
        drawn(tiny.subject(tiny_llama()), sampler=Endpoint(url=url, model="m"))
