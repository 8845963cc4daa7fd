"""Batched decoding against transformers' own `generate`, one prompt at a time, token for token."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import transformers  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.protocols import Sampling  # noqa: E402
from gnomon.models import generate as decoding  # noqa: E402
from gnomon.models import prefix  # noqa: E402
from gnomon.models.generate import Row, batches, common, groups  # noqa: E402
from gnomon.models.sampling import streams  # noqa: E402

SIZES = {"vocab_size": 97, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "pad_token_id": 0}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 2}
GPT2 = transformers.GPT2Config(vocab_size=97, n_embd=48, n_layer=3, n_head=6, n_positions=256)
MAMBA = transformers.MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4)
# Configuration, and whether it should go the shared way.
KINDS = {
    "llama": (transformers.LlamaConfig(**SIZES, **HEADS), True),
    "qwen2": (transformers.Qwen2Config(**SIZES, **HEADS), True),
    "qwen3": (transformers.Qwen3Config(**SIZES, **HEADS, head_dim=16), True),
    "mistral": (transformers.MistralConfig(**SIZES, **HEADS, sliding_window=4096), True),
    "narrow window": (transformers.MistralConfig(**SIZES, **HEADS, sliding_window=8), False),
    "gemma2": (transformers.Gemma2Config(**SIZES, **HEADS, head_dim=8, query_pre_attn_scalar=8), False),
    "mamba": (MAMBA, False),
    "gpt2": (GPT2, None),
}


def tiny(name: str) -> Any:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(KINDS[name][0]).eval()
    for parameter in model.parameters():  # larger weights, so that greedy choices are clear and vary
        parameter.data.mul_(3)
    return model


def prompts(seed: int = 0, *, vocabulary: int = 97) -> list[list[int]]:
    """A long shared head with tails of 1 to 30 tokens, prompts of their own, and the head alone."""
    make = torch.Generator().manual_seed(seed)

    def some(n: int) -> list[int]:
        return torch.randint(3, vocabulary, (n,), generator=make).tolist()

    head = some(40)
    return [head + some(n) for n in (1, 30, 7, 7, 2)] + [some(n) for n in (1, 12, 50)] + [head[:40]]


def run(model: Any, asked: list[list[int]], *, stop: frozenset[int] = frozenset([1]), **more: Any) -> list[list[int]]:
    names = more.pop("names", [str(p) for p in asked])
    budget = more.pop("batch_tokens", 4096)
    sampling = Sampling(**({"max_new_tokens": 12} | more))
    return decoding.generate(
        model,
        prompts=asked,
        streams=streams(names, seed=sampling.seed),
        sampling=sampling,
        stop_tokens=stop,
        batch_tokens=budget,
    )


def peer(model: Any, asked: list[int], *, new: int = 12, stop: frozenset[int] = frozenset([1])) -> list[int]:
    ids = torch.tensor([asked])
    settings = transformers.GenerationConfig(
        max_new_tokens=new, do_sample=False, eos_token_id=sorted(stop), pad_token_id=0
    )
    out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)[0, len(asked) :].tolist()
    return out[:-1] if out and out[-1] in stop else out


@pytest.mark.parametrize("name", KINDS)
def test_greedy_equals_transformers(name: str) -> None:
    model = tiny(name)
    expected = KINDS[name][1]
    if expected is not None:
        assert prefix.usable(model, length=64) is expected
    asked = prompts()
    assert run(model, asked) == [peer(model, p) for p in asked]


def test_greedy_equals_transformers_on_the_embedded_model(embedded: Any) -> None:
    assert prefix.usable(embedded.model, length=200)
    system = embedded.tokenizer("You are the assistant of a shop that sells kettles, lamps and chairs. " * 3)[
        "input_ids"
    ]
    questions = ["Is a kettle safe?", "Name three lamps and say why one would buy them, in one sentence each.", "Hi"]
    asked = [system + embedded.tokenizer(q)["input_ids"] for q in questions]
    asked += [embedded.tokenizer(q)["input_ids"] for q in questions[:2]]
    stop = embedded.stop_tokens
    assert run(embedded.model, asked, stop=stop) == [peer(embedded.model, p, stop=stop) for p in asked]


@pytest.mark.parametrize("name", ["llama", "gpt2", "mamba"])
def test_stop_tokens_end_rows_at_their_own_step(name: str) -> None:
    model = tiny(name)
    asked = prompts()
    free = run(model, asked, max_new_tokens=20)
    # Tokens that some rows say early, some late and some never.
    stop = frozenset([1, *free[0][3:4], *free[1][9:10], *free[2][1:2]])
    got = run(model, asked, max_new_tokens=20, stop=stop)
    cut = [next((i for i, t in enumerate(r) if t in stop), len(r)) for r in free]
    assert got == [r[:i] for r, i in zip(free, cut, strict=True)]
    assert len(set(cut)) > 2, "the test needs rows that end at different steps"


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_a_row_draws_the_same_in_any_company(name: str, top_p: float) -> None:
    model = tiny(name)
    asked = prompts()
    how = {"temperature": 0.9, "top_p": top_p, "seed": 5}
    together = run(model, asked, **how)
    assert together == run(model, asked, **how)
    assert together == [run(model, [p], **how)[0] for p in asked]
    assert together[::-1] == run(model, asked[::-1], batch_tokens=100, **how)
    assert together != run(model, asked, **(how | {"seed": 6}))


def test_copies_draw_differently_and_in_order() -> None:
    model = tiny("llama")
    asked = prompts()[:1] * 4
    got = run(model, asked, names=["x"] * 4, temperature=1.0)
    assert len({tuple(r) for r in got}) == 4
    assert run(model, asked[:2], names=["x"] * 2, temperature=1.0) == got[:2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapted_model_is_served_too(dtype: Any) -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(
        tiny("llama"), peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    )
    asked = prompts()
    adapted = run(model, asked)
    assert adapted == [peer(model, p) for p in asked]
    with model.disable_adapter():
        assert run(model, asked) != adapted
    assert prefix.usable(model.to(dtype), length=100)


def test_the_model_is_left_as_it_was() -> None:
    model = tiny("llama").train()
    before = model.config._attn_implementation
    run(model, prompts())
    assert model.training
    assert model.config._attn_implementation == before
    loss = model(torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss
    loss.backward()
    with pytest.raises(IndexError):
        run(model, [[5, 6, 10_000]])
    assert model.training
    assert model.config._attn_implementation == before


def test_nothing_asked() -> None:
    assert run(tiny("llama"), []) == []
    assert run(tiny("llama"), [[5]], max_new_tokens=0) == [[]]


@pytest.mark.parametrize("name", ["llama", "gpt2", "mamba"])
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_log_probabilities_are_those_of_a_plain_forward_pass(name: str, temperature: float) -> None:
    # Mamba steps and scans by different formulas, which agree only in float64 to that precision.
    model = tiny(name).to(torch.float64 if name == "mamba" else torch.float32)
    asked = prompts()
    free = run(model, asked, temperature=temperature)
    stop = frozenset([*free[0][3:4], *free[1][9:10]])
    how = Sampling(max_new_tokens=12, temperature=temperature)
    rows = streams([str(p) for p in asked], seed=0)
    drawn = decoding.draw(model, prompts=asked, streams=rows, sampling=how, stop_tokens=stop, batch_tokens=4096)
    assert [list(d.ids) for d in drawn] == run(model, asked, temperature=temperature, stop=stop)
    assert {d.stop for d in drawn} >= {None, *stop}
    for prompt, d in zip(asked, drawn, strict=True):
        new = [*d.ids, *([] if d.stop is None else [d.stop])]
        with torch.no_grad():
            logits_TV = model(torch.tensor([prompt + new])).logits[0, len(prompt) - 1 : -1]
        want = (logits_TV / (temperature or 1.0)).log_softmax(-1)[torch.arange(len(new)), new]
        torch.testing.assert_close(torch.tensor(d.logp), want.float(), rtol=0, atol=1e-5)


ids = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@given(st.lists(ids, min_size=1, max_size=8))
def test_the_common_prefix_is_the_longest_that_leaves_a_token(asked: list[list[int]]) -> None:
    length = common([Row(i, p, None) for i, p in enumerate(asked)])
    assert all(p[:length] == asked[0][:length] and len(p) > length for p in asked)
    assert any(len(p) <= length + 1 or p[: length + 1] != asked[0][: length + 1] for p in asked)


@given(st.lists(ids, min_size=1, max_size=12), st.integers(1, 40))
def test_batches_hold_every_row_once_within_the_limit(asked: list[list[int]], limit: int) -> None:
    rows = [Row(i, p, None) for i, p in enumerate(asked)]
    parts = batches(rows, without=0, new=2, batch_tokens=limit)
    assert sorted(r.place for part in parts for r in part) == list(range(len(rows)))
    for part in parts:
        assert len(part) == 1 or len(part) * (max(len(r.ids) for r in part) + 2) <= limit
    assert sorted(r.place for g in groups(rows) for r in g) == list(range(len(rows)))
