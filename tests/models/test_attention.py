import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import ModelError  # noqa: E402
from gnomon.models import attention, blocks  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402

PACKS = {
    "trunk and uneven groups": ([[1, 2, 3]] * 4, [[4], [5, 6, 7, 8], [5, 6, 9], [7, 7]]),
    "no trunk": ([[1, 2], [3, 4], [3, 5]], [[6], [7, 8, 9], [1]]),
    "one sequence": ([[1, 2, 3]], [[4, 5]]),
    "a prefix of another": ([[1], [1, 2]], [[2, 3], [3, 4]]),
}


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_equals_softmax_under_the_dense_mask_with_gradients(name, dtype, tolerance):
    packed = pack(*PACKS[name])
    size = len(packed.ids_N)
    draw = torch.Generator().manual_seed(0)
    exact = [
        torch.randn(1, heads, size, 8, generator=draw, dtype=torch.float64).to(dtype).double() for heads in (4, 2, 2)
    ]
    weight = torch.randn(1, size, 4, 8, generator=draw, dtype=torch.float64)
    given = [x.to(dtype).requires_grad_() for x in exact]
    layout = attention.tree(packed, device=torch.device("cpu"), dtype=dtype)
    out, _ = attention.attention(torch.nn.Identity(), *given, None, tree=layout)
    grads = torch.autograd.grad((out.double() * weight).sum(), given)

    q, k, v = [x.requires_grad_() for x in exact]
    scores = q @ k.repeat_interleave(2, 1).transpose(2, 3) * 8**-0.5
    scores = scores.masked_fill(~packed.mask_NN, float("-inf"))
    wanted = (scores.softmax(-1) @ v.repeat_interleave(2, 1)).transpose(1, 2)
    wanted_grads = torch.autograd.grad((wanted * weight).sum(), (q, k, v))
    torch.testing.assert_close(out.double(), wanted, atol=tolerance, rtol=tolerance)
    for grad, other in zip(grads, wanted_grads, strict=True):
        torch.testing.assert_close(grad.double(), other, atol=tolerance, rtol=tolerance)


def test_scores_far_below_a_masked_one_do_not_overflow():
    # A masked score 10 000 above the rest must not reach exp() in the backward pass.
    packed = pack([[1, 2], [1, 3]], [[4], [5]])
    layout = attention.tree(packed, device=torch.device("cpu"), dtype=torch.float32)
    q, k, v = (torch.ones(1, 1, 3 + 2, 8, requires_grad=True) for _ in range(3))
    scaled = k * torch.tensor([0.0, 0.0, 1e4, 0.0, 0.0])[:, None]
    out, _ = attention.attention(torch.nn.Identity(), q, scaled, v, None, tree=layout)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(out.sum(), (q, k, v)))


@pytest.mark.parametrize("extra", [{"softcap": 30.0}, {"s_aux": 1}, {"sliding_window": 4}])
def test_what_it_cannot_do_it_refuses(extra):
    layout = attention.tree(pack([[1]], [[2]]), device=torch.device("cpu"), dtype=torch.float32)
    x = torch.zeros(1, 1, 2, 8)
    with pytest.raises(ModelError, match="attention='dense'"):
        attention.attention(torch.nn.Identity(), x, x, x, None, tree=layout, **extra)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layout_can_be_used_again(dtype, monkeypatch):
    # Scores are added to a copy of the mask, also where a block is one query wide.
    monkeypatch.setattr(blocks, "PRODUCT", 0)
    layout = attention.tree(pack([[1] * 128], [[2]]), device=torch.device("cpu"), dtype=dtype)
    assert [mask.shape[1] for mask in layout.mask_MLS] == [128, 1]
    draw = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, heads, 129, 8, generator=draw).to(dtype) for heads in (4, 2, 2))
    first, second = (attention.attention(torch.nn.Identity(), q, k, v, None, tree=layout)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", PACKS)
def test_the_products_equal_the_attention_of_torch(name):
    packed = pack(*PACKS[name])
    layout = attention.tree(packed, device=torch.device("cpu"), dtype=torch.float64)
    draw = torch.Generator().manual_seed(2)
    shape = (len(packed.ids_N), 2, 8)
    q, k, v = (torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(3))
    outs = [way(q, k, v, layout, 0.3) for way in (attention.attend, attention.composed)]
    torch.testing.assert_close(*outs)
    torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), (q, k, v)) for out in outs))
