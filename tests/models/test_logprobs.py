import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import ModelError  # noqa: E402
from gnomon.models import kernels, logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402

PROMPTS = [[1, 2, 3], [1, 2, 3], [1, 2, 4], [1, 2], [5, 6]]
COMPLETIONS = [[7, 8, 9], [7, 8], [9, 9, 9, 9], [3, 7, 8, 9, 1], [1]]
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}

tokens = st.lists(st.integers(0, 4), min_size=1, max_size=5)
batches = st.lists(st.tuples(tokens, tokens), min_size=1, max_size=5)


def unpacked(model, prompt, completion):
    """Each sequence alone through the model, as anyone would write it."""
    logp = model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0].log_softmax(-1)
    return torch.stack([logp[len(prompt) - 1 + i, token] for i, token in enumerate(completion)])


@pytest.fixture(scope="module")
def model(tiny_llama):
    return tiny_llama("float64")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches)
def test_packed_equals_unpacked(model, batch):
    packed = pack([p for p, _ in batch], [c for _, c in batch])
    with torch.no_grad():
        wanted = torch.cat([unpacked(model, p, c) for p, c in batch])
        torch.testing.assert_close(logprobs.token_logp(model, packed), wanted, atol=1e-9, rtol=0)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("attention", ["tree", "dense"])
def test_values_and_gradients_equal_the_unpacked_ones(tiny_llama, dtype, attention):
    # transformers' eager attention and norms go through float32 whatever the type is: gradients agree to that.
    model = tiny_llama(dtype, attn_implementation="sdpa")
    weights = torch.arange(1.0, 6.0, dtype=getattr(torch, dtype))
    wanted = torch.stack([unpacked(model, p, c).sum() for p, c in zip(PROMPTS, COMPLETIONS, strict=True)])
    wanted_grads = torch.autograd.grad((weights * wanted).sum(), list(model.parameters()))
    found = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS), attention=attention)
    grads = torch.autograd.grad((weights * found).sum(), list(model.parameters()))
    torch.testing.assert_close(found, wanted, atol=TOLERANCE[dtype], rtol=0)
    for grad, other in zip(grads, wanted_grads, strict=True):
        torch.testing.assert_close(grad, other, atol=2e-4 * (1 + other.abs().max().item()), rtol=0)


def test_adding_unrelated_rows_changes_no_other_row(model):
    alone = logprobs.sequence_logp(model, pack(PROMPTS[:2], COMPLETIONS[:2]))
    among = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))[:2]
    torch.testing.assert_close(alone, among, atol=1e-12, rtol=0)


def test_order_of_the_batch_changes_nothing_to_the_last_bit(model):
    forward = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    backward = logprobs.sequence_logp(model, pack(PROMPTS[::-1], COMPLETIONS[::-1]))
    assert torch.equal(forward, backward.flip(0))


def test_more_rows_than_one_chunk(tiny_llama, monkeypatch):
    model = tiny_llama("float32")
    packed = pack(PROMPTS, COMPLETIONS)
    with kernels.torch_alone():
        whole = logprobs.token_logp(model, packed)
        monkeypatch.setattr(kernels, "ROWS", 3)
        parts = logprobs.token_logp(model, packed)
    torch.testing.assert_close(whole, parts, atol=0, rtol=0)
    one, two = (torch.autograd.grad(x.sum(), model.lm_head.weight)[0] for x in (whole, parts))
    torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


def test_attention_function_of_the_model_is_put_back(tiny_llama):
    model = tiny_llama()
    before = model.config._attn_implementation
    logprobs.token_logp(model, pack([[1]], [[2]]))
    assert model.config._attn_implementation == before


def test_a_sequence_beyond_the_window_is_refused(tiny_llama):
    model = tiny_llama()
    model.config.sliding_window = 3
    with pytest.raises(ModelError, match="window of 3"):
        logprobs.token_logp(model, pack([[1, 2, 3]], [[4]]))
    assert len(logprobs.token_logp(model, pack([[1, 2]], [[4]]))) == 1


def test_divergence_estimators_are_unbiased_over_all_sequences(tiny_llama):
    # Exact sum over every sequence of two tokens from a vocabulary of 8: E[k1] = E[k3] = KL, by the chain rule.
    policy, reference = (tiny_llama("float64", seed=s, vocab_size=8) for s in (0, 1))
    completions = [[a, b] for a in range(8) for b in range(8)]
    packed = pack([[1, 2]] * 64, completions)
    with torch.no_grad():
        logp_K, reference_K = (logprobs.token_logp(m, packed) for m in (policy, reference))
    logp_B, reference_B = (logprobs.per_sequence(x, packed) for x in (logp_K, reference_K))
    assert logp_B.exp().sum().item() == pytest.approx(1.0, abs=1e-9)
    wanted = (logp_B.exp() * (logp_B - reference_B)).sum().item()
    for estimator in ("k1", "k3"):
        kl_B = logprobs.sequence_kl(logp_K, reference_K, packed, estimator=estimator)
        assert (logp_B.exp() * kl_B).sum().item() == pytest.approx(wanted, rel=1e-6)
    assert wanted > 0.1


def test_k3_is_never_negative_and_zero_for_equal():
    logp, reference = torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-1.0, -5.0, -0.5])
    found = logprobs.k3(logp, reference)
    assert found[0] == 0
    assert (found[1:] > 0).all()
    assert found[1].item() == pytest.approx(math.exp(-3) + 3 - 1, rel=1e-6)
    assert logprobs.k1(logp, reference).tolist() == [0.0, 3.0, -2.5]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_moments_are_those_of_the_whole_distribution(tiny_llama, dtype):
    model = tiny_llama(dtype)
    packed = pack(PROMPTS, COMPLETIONS)
    logp_K, mean_K, spread_K = logprobs.token_moments(model, packed)
    with torch.no_grad():
        torch.testing.assert_close(logp_K.double(), logprobs.token_logp(model, packed).double(), atol=1e-4, rtol=0)
    whole = []
    for prompt, completion in zip(PROMPTS, COMPLETIONS, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0].double()
        for i in range(len(completion)):
            logp = logits[len(prompt) - 1 + i].log_softmax(-1)
            mean = (logp.exp() * logp).sum()
            whole.append((mean, ((logp.exp() * (logp - mean) ** 2).sum()).sqrt()))
    torch.testing.assert_close(mean_K.double(), torch.stack([m for m, _ in whole]), atol=1e-4, rtol=0)
    torch.testing.assert_close(spread_K.double(), torch.stack([s for _, s in whole]), atol=1e-4, rtol=0)
