import copy

import pytest

torch = pytest.importorskip("torch")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.core.errors import ModelError  # noqa: E402
from gnomon.models import adapters, heads, logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402

PROMPTS = [[1, 2, 3], [1, 2, 3], [1, 2, 4], [1, 2], [5, 6]]
COMPLETIONS = [[7, 8, 9], [7, 8], [9, 9, 9, 9], [3, 7, 8, 9, 1], [1]]
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}

tokens = st.lists(st.integers(0, 3), min_size=1, max_size=4)
batches = st.lists(st.tuples(tokens, tokens), min_size=1, max_size=6)


def padded(model, prompts=PROMPTS, completions=COMPLETIONS):
    """Right-padded batch through transformers' own forward: states of every token and log-probabilities of the next."""
    rows = [[*p, *c] for p, c in zip(prompts, completions, strict=True)]
    longest = max(map(len, rows))
    ids = torch.tensor([[*r, *[0] * (longest - len(r))] for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in rows])
    out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
    return out.hidden_states[-1], out.logits.log_softmax(-1)


def plain(model):
    """Head outputs at the last tokens, and (log-probability, head) of each completion token, the usual way."""
    hidden, logp = padded(model)
    head = model.gnomon_head
    last = torch.stack(
        [head(hidden[b, len(p) + len(c) - 1]) for b, (p, c) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True))]
    )
    each = [
        torch.cat([logp[b, len(p) - 1 + i, token, None], head(hidden[b, len(p) - 1 + i])])
        for b, (p, c) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True))
        for i, token in enumerate(c)
    ]
    return last, torch.stack(each)


@pytest.fixture
def model(tiny_llama):
    model = tiny_llama("float64")
    heads.attach(model, features=2)
    return model


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_and_gradients_equal_a_plain_padded_forward(tiny_llama, dtype):
    model = tiny_llama(dtype, attn_implementation="sdpa")
    heads.attach(model, features=2)
    packed = pack(PROMPTS, COMPLETIONS)
    found = heads.sequence_outputs(model, packed), heads.token_outputs(model, packed)
    for got, wanted in zip(found, plain(model), strict=True):
        torch.testing.assert_close(got, wanted.to(got.dtype), atol=TOLERANCE[dtype], rtol=0)
        weights = torch.linspace(-1, 2, got.numel(), dtype=got.dtype).view_as(got)
        parameters = [p for n, p in model.named_parameters() if not n.startswith("lm_head")]
        ours = torch.autograd.grad((got * weights).sum(), parameters)
        theirs = torch.autograd.grad((wanted * weights).sum(), parameters, retain_graph=True)
        for grad, other in zip(ours, theirs, strict=True):
            # transformers' norms go through float32 whatever the type is.
            torch.testing.assert_close(grad, other, atol=2e-4 * (1 + other.abs().max().item()), rtol=0)
            assert grad.abs().sum() > 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches)
def test_packing_and_order_change_nothing(model, batch):
    def both(rows):
        packed = pack([p for p, _ in rows], [c for _, c in rows])
        return heads.sequence_outputs(model, packed), heads.token_outputs(model, packed)

    with torch.no_grad():
        together = both(batch)
        alone = [torch.cat(parts) for parts in zip(*(both([row]) for row in batch), strict=True)]
        turned = both(batch[::-1])[0].flip(0)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)
    assert torch.equal(turned, together[0])


def test_last_tokens_stand_where_packing_says():
    packed = pack(PROMPTS, COMPLETIONS)
    ends = [c[-1] for c in COMPLETIONS]
    assert packed.ids_N[packed.last_B].tolist() == ends
    depths = [len(p) + len(c) - 1 for p, c in zip(PROMPTS, COMPLETIONS, strict=True)]
    assert packed.position_N[packed.last_B].tolist() == depths


def test_log_probabilities_are_those_without_a_head_at_any_temperature(model):
    packed = pack(PROMPTS, COMPLETIONS)
    cold = heads.token_outputs(model, packed, temperature=0.5)
    assert torch.equal(cold[:, 0], logprobs.token_logp(model, packed, temperature=0.5))
    assert torch.equal(cold[:, 1:], heads.token_outputs(model, packed)[:, 1:])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapter_and_head_learn_and_the_base_stays(tiny_llama, dtype):
    model = tiny_llama(dtype)
    before = copy.deepcopy(model.state_dict())
    adapter = adapters.attach(model)
    head = heads.attach(model, features=1)
    assert head.weight.dtype == torch.float32
    out = heads.sequence_outputs(model, pack(PROMPTS, COMPLETIONS))
    assert out.dtype == torch.float32
    out.square().sum().backward()
    trainable = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for n, p in model.named_parameters() if p.grad is not None} == trainable
    assert any(n.startswith("gnomon_head") for n in trainable)
    assert len(trainable) == 1 + len(adapter.parameters)
    heads.detach(model)
    adapters.detach(adapter)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


def test_the_start_is_small_the_same_for_a_seed_and_independent_of_the_global_one(tiny_llama):
    starts = [heads.attach(tiny_llama(), features=1, seed=s).weight for s in (0, 0, 1)]
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
    assert starts[0].std().item() == pytest.approx(1 / 33, rel=0.5)


def test_a_head_computed_in_16_bits_still_gives_float32(tiny_llama):
    model = tiny_llama("bfloat16")
    heads.attach(model, features=1).to(torch.bfloat16)
    assert heads.sequence_outputs(model, pack([[1]], [[2]])).dtype == torch.float32


def test_no_head_a_second_head_and_a_late_adapter_are_refused(tiny_llama):
    model = tiny_llama()
    for act in (lambda: heads.head(model), lambda: heads.sequence_outputs(model, pack([[1]], [[2]]))):
        with pytest.raises(ModelError, match="no head"):
            act()
    assert heads.parameters(model) == []
    heads.attach(model, features=1)
    with pytest.raises(ModelError, match="already has a head"):
        heads.attach(model, features=1)
    with pytest.raises(ModelError, match="adapter first"):
        adapters.attach(model)


def test_the_model_that_is_written_has_no_head(tiny_llama, tmp_path):
    class Silent:
        def save_pretrained(self, folder):
            pass

    model = tiny_llama()
    heads.attach(model, features=1)
    adapters.write_folder(model, None, Silent(), tmp_path / "out")
    assert not [n for n in type(model).from_pretrained(tmp_path / "out").state_dict() if "gnomon" in n]
