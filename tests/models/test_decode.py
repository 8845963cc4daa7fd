"""The compiled decoding step against the model's own forward pass, in numbers."""

import copy
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import transformers  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from transformers import TopPLogitsWarper  # noqa: E402

from gnomon.core.protocols import Sampling  # noqa: E402
from gnomon.models import adapters, decode, decode_library, logprobs  # noqa: E402
from gnomon.models import generate as decoding  # noqa: E402
from gnomon.models.decode import BLOCK, Session, plan  # noqa: E402
from gnomon.models.decode_library import Unfit  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.models.sampling import streams  # noqa: E402

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "vocab_size": 193,
    "initializer_range": 0.2,
}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "pad_token_id": 0}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 64}
KINDS = {
    "llama": transformers.LlamaConfig(**SIZES),
    "one head a key, odd vocabulary": transformers.LlamaConfig(**SIZES | {"num_key_value_heads": 4, "vocab_size": 97}),
    "six heads a key, wide heads": transformers.LlamaConfig(
        **SIZES | {"hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 1}, head_dim=160
    ),
    "llama3 angles, tied": transformers.LlamaConfig(**SIZES, rope_parameters=LLAMA3, tie_word_embeddings=True),
    "mistral": transformers.MistralConfig(**SIZES, sliding_window=None),
    "qwen2": transformers.Qwen2Config(**SIZES),
    "qwen3": transformers.Qwen3Config(**SIZES, head_dim=32),
}


@pytest.fixture(autouse=True)
def compiled() -> None:
    try:
        decode_library.library(torch.float32)
    except Unfit as why:
        pytest.skip(str(why))


def tiny(name: str = "llama", dtype: Any = torch.float32) -> Any:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(KINDS[name]).eval()
    for parameter in model.parameters():  # biases and norms that matter
        if parameter.ndim == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model.to(dtype)


def prompts(vocabulary: int = 97) -> list[list[int]]:
    """Heads shared for less, exactly and more than a block; copies; one token alone."""
    make = torch.Generator().manual_seed(1)

    def some(n: int) -> list[int]:
        return torch.randint(3, vocabulary, (n,), generator=make).tolist()

    head, long = some(16), some(53)
    asked = [head + some(n) for n in (1, 15, 16, 17)] + [long, long, long[:40] + some(9), long[:32], [5]]
    return asked + [some(int(n)) for n in torch.randint(1, 40, (10,), generator=make)]


def forward(model: Any, ids: Sequence[int]) -> Any:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].float()


def steps(model: Any, asked: list[list[int]], count: int = 3) -> list[Any]:
    """Logits of each greedy step, and checks that the plan let every row see its own tokens."""
    with torch.no_grad():
        session = Session(decode.weights(model, length=100), Sampling(), asked, room=count)
    found = []
    ids, _ = session.first([])
    for _ in range(count):
        ids, _ = session.next(range(len(asked)), ids, [])
        found.append(session.logits[: len(asked)].clone())
    return found


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("prefill", [7, 256])
def test_logits_are_those_of_the_model(name: str, prefill: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "PREFILL", prefill)
    model, asked = tiny(name), prompts()
    rows = [list(p) for p in asked]
    with torch.no_grad():
        weights = decode.weights(model, length=100)
    session = Session(weights, Sampling(), asked, room=4)
    ids, _ = session.first([])
    assert ids == [int(forward(model, p).argmax()) for p in asked]
    going = list(range(len(rows)))
    for _ in range(3):
        for row, token in zip(going, ids, strict=True):
            rows[row].append(token)
        going, ids = going[1:], ids[1:]  # a row ends
        ids, logp = session.next(going, ids, [])
        got = session.logits[: len(going)]
        want = torch.stack([forward(model, rows[row]) for row in going])
        torch.testing.assert_close(got, want, rtol=2e-5, atol=5e-5)
        assert ids == want.argmax(-1).tolist()
        torch.testing.assert_close(torch.tensor(logp), want.log_softmax(-1).amax(-1), rtol=0, atol=3e-5)


def test_bfloat16_is_at_least_as_near_to_float32_as_the_model_itself(embedded: Any) -> None:
    rounded = copy.deepcopy(embedded.model).to(torch.bfloat16)
    exact = copy.deepcopy(rounded).float()
    asked = [
        embedded.tokenizer(text)["input_ids"] for text in ("The capital of France is", "Water boils at", "One two")
    ]
    with torch.no_grad():
        session = Session(decode.weights(rounded, length=50), Sampling(), [a[:-1] for a in asked], room=1)
        session.first([])
        session.next(range(3), [a[-1] for a in asked], [])
    got = session.logits[:3].log_softmax(-1)
    want, own = (torch.stack([forward(m, a) for a in asked]).log_softmax(-1) for m in (exact, rounded))
    assert (got - want).abs().mean() <= (own - want).abs().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_is_computed_the_same_in_any_company_and_by_any_number_of_threads(dtype: Any) -> None:
    model, asked = tiny(dtype=dtype), prompts()
    together = steps(model, asked)
    alone = [steps(model, [p]) for p in asked]
    for step, logits in enumerate(together):
        assert torch.equal(logits, torch.cat([a[step] for a in alone]))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert all(torch.equal(a, b) for a, b in zip(together, steps(model, asked), strict=True))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.3])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
def test_draws_and_log_probabilities_are_those_of_the_other_engines(
    temperature: float, top_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked = tiny(), prompts() * 3
    how = Sampling(max_new_tokens=8, temperature=temperature, top_p=top_p, seed=3)
    stop = frozenset(range(3, 20))

    def drawn() -> list[decoding.Drawn]:
        rows = streams([str(p) for p in asked], seed=3)
        return decoding.draw(model, prompts=asked, streams=rows, sampling=how, stop_tokens=stop, batch_tokens=900)

    fast = drawn()
    assert decoding.engine(model) == decoding.Engine("fused", "")
    monkeypatch.setattr(decode_library, "library", refuse)
    assert decoding.engine(model) == decoding.Engine("shared prefix", "no compiler today")
    slow = drawn()
    assert [(d.ids, d.stop) for d in fast] == [(d.ids, d.stop) for d in slow]
    assert len({d.stop for d in fast}) > 2
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(torch.tensor(a.logp), torch.tensor(b.logp), rtol=0, atol=2e-5)


def refuse(dtype: Any) -> Any:
    raise Unfit("no compiler today")


@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_frequencies_follow_the_distribution(top_p: float) -> None:
    model, count = tiny(), 4000
    stream = random.Random(0)
    with torch.no_grad():
        session = Session(
            decode.weights(model, length=9), Sampling(temperature=0.8, top_p=top_p), [[5, 6, 7]] * count, room=1
        )
    tokens, _ = session.first([stream.random() for _ in range(count)])
    scores = forward(model, [5, 6, 7])[None].double() / 0.8
    want = TopPLogitsWarper(top_p)(None, scores).softmax(-1)[0]
    got = torch.tensor(tokens).bincount(minlength=193) / count
    assert got[want == 0].sum() == 0
    assert (got - want).abs().max() < 4 * (0.25 / count) ** 0.5


@pytest.mark.parametrize("number", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("top_p", [0.0, 0.5, 0.999999, 1.0])
def test_the_ends_of_the_interval_are_possible_tokens(number: float, top_p: float) -> None:
    model = tiny("one head a key, odd vocabulary")
    with torch.no_grad():
        session = Session(decode.weights(model, length=9), Sampling(temperature=0.01, top_p=top_p), [[5], [6]], room=1)
    tokens, logp = session.first([number] * 2)
    assert all(0 <= t < 97 for t in tokens)
    assert all(-100 < x <= 0 for x in logp)


def test_a_changed_weight_is_seen() -> None:
    model, asked = tiny(), prompts()[:2]

    def agrees() -> bool:
        (got,) = steps(model, asked, count=1)
        want = torch.stack([forward(model, [*p, int(forward(model, p).argmax())]) for p in asked])
        return torch.allclose(got, want, atol=2e-5, rtol=2e-5)

    assert agrees()
    (before,) = steps(model, asked, count=1)
    weight = model.model.layers[1].mlp.down_proj.weight
    weight.data[:, 3] *= -1  # behind autograd's back: the version counter does not move
    assert agrees()
    weight.data = weight.data.flip(0).contiguous()
    assert agrees()
    assert not torch.equal(steps(model, asked, count=1)[0], before)


def test_a_merged_adapter_is_served_and_one_that_is_on_is_not() -> None:
    from gnomon.models import adapters

    model, asked = tiny(), prompts()[:3]
    adapter = adapters.attach(model, adapters.LoRA(rank=2))
    for factor in adapter.parameters:
        factor.data.normal_(std=0.2)
    want = torch.stack([forward(model, p) for p in asked])
    assert decoding.engine(model).reason == "an adapter that is switched on; sample inside adapters.merged"
    with adapters.merged(adapter), torch.no_grad():
        assert decoding.engine(model).name == "fused"
        session = Session(decode.weights(model, length=90), Sampling(), [p[:-1] for p in asked], room=1)
        session.first([])
        session.next(range(3), [p[-1] for p in asked], [])
        torch.testing.assert_close(session.logits[:3], want, rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_has_been_trained_on_is_decoded_as_before(dtype: Any) -> None:
    """Else a run that was cut after training would say something else than one that was not."""
    model, packed = tiny(dtype=dtype), pack([[1, 2, 3]] * 2, [[4, 5], [6]])
    said = drawn(model)
    logprobs.token_logp(model, packed)
    adapter = adapters.attach(model)
    (logprobs.token_logp(model, packed) ** 2).sum().backward()
    adapters.detach(adapter)
    assert decoding.engine(model) == decoding.Engine("fused", "")
    assert drawn(model) == said


def drawn(model: Any) -> list[list[int]]:
    prompts = [[i, i + 1, 9, 8] for i in range(20)]
    rows, sampling = streams([str(p) for p in prompts], seed=0), Sampling(temperature=1.0, max_new_tokens=8)
    return decoding.generate(
        model, prompts=prompts, streams=rows, sampling=sampling, stop_tokens=set(), batch_tokens=10**6
    )


def test_what_it_does_not_compute_is_refused_with_a_reason() -> None:
    def why(model: Any, length: int = 9) -> str:
        with pytest.raises(Unfit) as refusal, torch.no_grad():
            decode.weights(model, length=length)
        return str(refusal.value)

    def with_(change: Callable[[Any], Any]) -> Any:
        model = tiny()
        change(model)
        return model

    assert "float64" in why(tiny(dtype=torch.float64))
    assert "GPT2LMHeadModel" in why(
        transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=32, n_layer=1, n_head=2))
    )
    assert "multiples" in why(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES | {"hidden_size": 40})))
    window = transformers.MistralForCausalLM(transformers.MistralConfig(**SIZES, sliding_window=8))
    assert "window" in why(window)
    decode._read(window, 8)
    assert "gelu" in why(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, hidden_act="gelu")))
    turning = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    assert "dynamic" in why(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, rope_parameters=turning)))
    assert "o_proj" in why(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, attention_bias=True)))
    assert "watched" in why(with_(lambda m: m.model.layers[0].register_forward_hook(print)))
    assert "changed" in why(with_(lambda m: setattr(m.model.norm, "forward", m.model.norm.forward)))
    assert "plain tensors" in why(with_(lambda m: m.model.norm.to(torch.bfloat16)))
    assert "finite" in why(with_(lambda m: m.model.norm.weight.data.fill_(torch.nan)))


def test_a_model_that_computes_something_else_is_found_out() -> None:
    model = tiny()
    model.config.rms_norm_eps = 3.0
    assert decoding.engine(model).reason == "its logits differ from those of the model's own forward pass"
    model.config.rms_norm_eps = 1e-6
    assert decoding.engine(tiny()).name == "fused"


def test_broken_weights_and_tokens_are_said() -> None:
    from gnomon.core.errors import ModelError

    model = tiny()
    with torch.no_grad():
        weights = decode.weights(model, length=50)
    with pytest.raises(IndexError, match="193"):
        Session(weights, Sampling(), [[5, 193]], room=1)
    assert decoding.engine(model).name == "fused"
    model.model.norm.weight.data.fill_(torch.nan)
    for temperature in (0.0, 1.0):
        with pytest.raises(ModelError, match="diverged"):
            decoding.generate(
                model,
                prompts=[[5]],
                streams=streams(["a"], seed=0),
                sampling=Sampling(temperature=temperature),
                stop_tokens=frozenset(),
                batch_tokens=99,
            )


ids = st.lists(st.integers(0, 2), min_size=1, max_size=3 * BLOCK)


@given(st.lists(ids, min_size=1, max_size=6), st.integers(0, 40))
def test_the_plan_gives_each_row_its_tokens_and_computes_none_twice(asked: list[list[int]], room: int) -> None:
    asked = [*asked, asked[0], asked[-1][: 2 * BLOCK]]
    p = plan(asked, room=room)
    assert len(p.id) == len({tuple(row[: n + 1]) for row in asked for n in range(len(row))})
    at = {slot: node for node, slots in enumerate(p.slots) for slot in slots}
    assert len(at) == sum(map(len, p.slots)), "no place is written twice"
    assert max(block for row in p.table for block in row) < p.blocks
    for row, (tokens, table) in enumerate(zip(asked, p.table, strict=True)):
        assert len(table) == -(-(len(tokens) + room) // BLOCK)
        seen = [at[table[n // BLOCK] * BLOCK + n % BLOCK] for n in range(len(tokens))]
        assert [p.id[node] for node in seen] == list(tokens)
        assert [p.position[node] for node in seen] == list(range(len(tokens)))
        assert seen == sorted(seen), "a token comes after those that it looks at"
        assert seen[-1] == p.last[row]
        # The row whose blocks a token looks through holds the same tokens up to it.
        assert all(asked[p.row[node]][: n + 1] == tokens[: n + 1] for n, node in enumerate(seen))
        own = table[len(tokens) // BLOCK :]
        assert not any(b in other for r, other in enumerate(p.table) if r != row for b in own), (
            "new tokens go elsewhere"
        )


@pytest.mark.slow
def test_no_memory_is_touched_that_is_not_its_own(tmp_path: Path) -> None:
    """The tests of this file once more under the address sanitizer."""
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    program = (
        "import sys, pytest, torch\n"
        "from gnomon.models import decode, decode_library as library\n"
        "decode._pool = lambda size, dtype: torch.empty(size, dtype=dtype)  # memory that it watches\n"
        "library.FLAGS += ('-fsanitize=address', '-g', '-fno-omit-frame-pointer')\n"
        "how = ['-q', '-n', '0', '-W', 'ignore', '-p', 'no:cacheprovider', '-k', 'not found_out']\n"
        f"sys.exit(pytest.main([*how, {__file__!r}]))\n"
    )
    home = {"LD_PRELOAD": runtime.stdout.strip(), "HOME": str(tmp_path)}
    home["ASAN_OPTIONS"] = f"detect_leaks=0:log_path={tmp_path}/found"  # the inner run's capture would swallow it
    path = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=home | path, capture_output=True, text=True)
    found = [p.read_text(encoding="utf-8")[:3000] for p in tmp_path.glob("found*")]
    assert not found
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
