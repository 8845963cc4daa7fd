"""Replaced parts give the values and gradients of transformers' own; whatever does not fit is left alone."""

import copy
import shutil

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gnomon.models import adapters, fused, kernels, logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
PROMPTS = [[1, 2, 3], [1, 2, 3], [1, 2, 4], [5, 6]]
COMPLETIONS = [[7, 8, 9], [7, 8], [9, 9, 9, 9], [1]]
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
SHAPE |= {"vocab_size": 50, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3}
FUSED = {"Llama": {}, "Mistral": {"sliding_window": None}, "Qwen2": {}, "Qwen3": {"head_dim": 8}}
"""Models whose every part fits."""
OTHERS = {"Gemma": {"head_dim": 8}, "Olmo2": {}, "Phi3": {"pad_token_id": 0}, "Cohere": {}}


def made(name, **settings):
    config = getattr(transformers, f"{name}Config")(**SHAPE | settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(transformers, f"{name}ForCausalLM")(config).eval()


def replaced(model):
    return {type(m).__name__ for m in model.modules() if "forward" in vars(m)}


def gradients(model, logp_B):
    parameters = [p for p in model.parameters() if p.requires_grad]
    return torch.autograd.grad((logp_B * torch.arange(1.0, 5.0)).sum(), parameters)


@pytest.mark.parametrize("name", [*FUSED, *OTHERS])
def test_values_and_gradients_of_any_decoder_are_its_own(name):
    model = made(name, **(FUSED | OTHERS)[name])
    with kernels.torch_alone():
        wanted = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS), attention="dense")
    wanted_grads = gradients(model, wanted)
    found = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-5)
    for grad, other in zip(gradients(model, found), wanted_grads, strict=True):
        torch.testing.assert_close(grad, other, atol=1e-4 * (1 + other.abs().max().item()), rtol=0)
    if name in FUSED:
        assert replaced(model) == {f"{name}{part}" for part in ("RMSNorm", "MLP", "Attention")}


def test_norms_with_other_formulas_are_left_alone():
    model = made("Gemma", head_dim=8)
    logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    assert replaced(model) <= {"GemmaAttention"}


def test_bfloat16_is_as_near_to_the_truth_as_transformers_is(tiny_llama):
    exact = logprobs.sequence_logp(tiny_llama("float64"), pack(PROMPTS, COMPLETIONS), attention="dense")
    model = tiny_llama("bfloat16")
    own = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS), attention="dense")
    found = logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    assert replaced(model)
    assert (found - exact).norm() <= 2 * (own - exact).norm() + 0.05


def test_outside_packed_rows_the_model_computes_as_it_did(tiny_llama):
    model = tiny_llama("float32")
    ids = torch.tensor([[1, 2, 3, 4]])
    before = model(ids).logits
    logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    assert replaced(model)
    assert torch.equal(model(ids).logits, before)


def test_a_copy_is_its_own(tiny_llama):
    model = tiny_llama("float32")
    logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    found = logprobs.sequence_logp(other, pack(PROMPTS, COMPLETIONS))
    wanted = logprobs.sequence_logp(other, pack(PROMPTS, COMPLETIONS), attention="dense")
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-5)


def test_an_adapter_gets_the_same_gradients(tiny_llama):
    model = tiny_llama("float32")
    adapter = adapters.attach(model)
    with torch.no_grad():
        for index, parameter in enumerate(adapter.parameters):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)) * 0.1)
    grads = [
        gradients(model, logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS), attention=way))
        for way in ("tree", "dense")
    ]
    assert replaced(model) >= {"LlamaRMSNorm", "LlamaMLP", "LlamaAttention"}
    for grad, other in zip(*grads, strict=True):
        torch.testing.assert_close(grad, other, atol=1e-4 * (1 + other.abs().max().item()), rtol=0)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_types_that_c_does_not_know_keep_the_models_own_parts(tiny_llama, dtype):
    model = tiny_llama(dtype)
    logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    assert not replaced(model)


def test_a_forward_that_somebody_else_put_there_stays(tiny_llama):
    model = tiny_llama("float32")
    kept = model.model.layers[0].mlp.forward
    model.model.layers[0].mlp.forward = kept
    logprobs.sequence_logp(model, pack(PROMPTS, COMPLETIONS))
    assert model.model.layers[0].mlp.forward is kept
    assert fused._forward_of(model.model.layers[0]) is None
