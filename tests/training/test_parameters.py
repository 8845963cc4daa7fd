import pytest

torch = pytest.importorskip("torch")

from gnomon.models import adapters, heads, logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training.parameters import prepare  # noqa: E402

PACKED = pack([[1, 2]], [[3, 4, 5]])


@pytest.mark.parametrize("precision", [None, "float32", "bfloat16"])
@pytest.mark.parametrize("loaded", ["float32", "bfloat16"])
def test_full_weights_compute_as_asked_over_exact_masters(tiny_llama, loaded, precision):
    model = tiny_llama(loaded).train()
    before = [p.detach().float() for p in model.parameters()]
    optimizer = prepare(model, None, precision=precision)
    assert not any(m.training for m in model.modules())
    assert {p.dtype for p in model.parameters()} == {getattr(torch, precision or loaded)}
    assert {m.dtype for m in optimizer.masters} == {torch.float32}
    assert all(torch.equal(a, b) for a, b in zip(before, optimizer.masters, strict=True))
    logprobs.sequence_logp(model, PACKED).sum().backward()
    assert optimizer.clip(1.0) > 0
    optimizer.step(1e-2)
    for weight, master in zip(model.parameters(), optimizer.masters, strict=True):
        assert torch.equal(weight, master.to(weight.dtype))


def test_only_adapter_and_head_learn_over_a_base_that_stays(tiny_llama):
    model = tiny_llama("bfloat16")
    adapter = adapters.attach(model)
    heads.attach(model, features=1)
    optimizer = prepare(model, adapter, precision="float32")
    wanted = [*adapter.parameters, model.gnomon_head.weight]
    assert all(a is b for a, b in zip(optimizer.parameters, wanted, strict=True))
    assert model.dtype == torch.bfloat16
    assert [p for p in model.parameters() if p.requires_grad] == optimizer.parameters
