"""kernels.c against torch, in both types it knows, over shapes and angles."""

import contextlib
import shutil

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.models import kernels  # noqa: E402

TYPES = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Tolerance of results whose size is about 1."""
needs_c = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
shapes = st.tuples(st.integers(1, 40), st.integers(1, 70))
types = st.sampled_from(list(TYPES))
seeds = st.integers(0, 2**31)


def random(seed, *shape, dtype):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def close(found, wanted, dtype):
    scale = wanted.abs().max().clamp(min=1.0)
    torch.testing.assert_close(found.double() / scale, wanted.double() / scale, atol=TYPES[dtype], rtol=0)


def double(*tensors):
    return [x.double().requires_grad_() for x in tensors]


@needs_c
@settings(max_examples=30, deadline=None)
@given(shape=shapes, dtype=types, seed=seeds)
def test_norm_and_its_gradient_equal_autograd_in_float64(shape, dtype, seed):
    x, grad, weight = (random(seed + i, *s, dtype=dtype) for i, s in enumerate((shape, shape, shape[1:])))
    out, inverse = kernels.norm(x, weight, 1e-5)
    to_x, to_weight = kernels.norm_back(grad, x, weight, inverse)
    x_, weight_ = double(x, weight)
    wanted = weight_ * x_ * torch.rsqrt(x_.square().mean(-1, keepdim=True) + 1e-5)
    close(out, wanted, dtype)
    wanted_x, wanted_weight = torch.autograd.grad(wanted, (x_, weight_), grad.double())
    close(to_x, wanted_x, dtype)
    close(to_weight, wanted_weight, torch.float32)


@needs_c
@settings(max_examples=30, deadline=None)
@given(shape=shapes, dtype=types, seed=seeds)
def test_gate_and_its_gradient_equal_autograd_in_float64(shape, dtype, seed):
    gate, up, grad = (random(seed + i, *shape, dtype=dtype) for i in range(3))
    gate = gate * 20  # far into both tails
    gate_, up_ = double(gate, up)
    wanted = torch.nn.functional.silu(gate_) * up_
    close(kernels.gate(gate, up), wanted, dtype)
    for found, other in zip(
        kernels.gate_back(grad, gate, up), torch.autograd.grad(wanted, (gate_, up_), grad.double()), strict=True
    ):
        close(found, other, dtype)


@needs_c
@settings(max_examples=30, deadline=None)
@given(
    tokens=st.integers(1, 9),
    heads=st.integers(1, 3),
    half=st.integers(1, 20),
    rows=st.integers(1, 30),
    turned=st.booleans(),
    dtype=types,
    seed=seeds,
)
def test_gathering_equals_torch_and_gives_back_its_own_gradient(tokens, heads, half, rows, turned, dtype, seed):
    x = random(seed, tokens * heads, 2 * half, dtype=dtype)
    angle = random(seed + 1, tokens, 2 * half, dtype=torch.float32)
    angles = kernels.Angles(angle.cos().to(dtype), angle.sin().to(dtype), heads) if turned else None
    index = torch.randint(-1, tokens * heads, (rows,), generator=torch.Generator().manual_seed(seed))
    found = kernels.gather(x, index, angles)
    with kernels.torch_alone():
        close(found, kernels.gather(x, index, angles), dtype)
    # What goes back is the transposed map: <gather(x), g> = <x, gather_sum(g)>.
    real, grad = index >= 0, random(seed + 2, rows, 2 * half, dtype=dtype)
    places, index = real.nonzero()[:, 0], index[real]
    first = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(index, minlength=len(x)).cumsum(0)])
    back = kernels.gather_sum(grad, first, places[index.argsort(stable=True)], angles)
    with kernels.torch_alone():
        close(back, kernels.gather_sum(grad, first, places[index.argsort(stable=True)], angles), dtype)
    one, two = (found.double() * grad.double()).sum(), (x.double() * back.double()).sum()
    assert abs(one - two) <= TYPES[dtype] * (1 + grad.double().norm() * found.double().norm()) * 4


@needs_c
@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 3),
    heads=st.integers(1, 4),
    length=st.integers(1, 9),
    seen=st.integers(1, 40),
    dtype=types,
    seed=seeds,
)
def test_softmax_and_its_gradient_equal_autograd_in_float64(count, heads, length, seen, dtype, seed):
    scores, grad = (random(seed + i, count, heads, length, seen, dtype=dtype) * 8 for i in range(2))
    mask = torch.zeros(count, length, seen, dtype=dtype)
    mask[random(seed + 2, count, length, seen, dtype=torch.float32) > 0] = -torch.inf
    mask[..., 0] = 0
    (scores_,) = double(scores)
    wanted = (scores_ * 0.3 + mask.double()[:, None]).softmax(-1)
    for alone in (False, True):
        with kernels.torch_alone() if alone else contextlib.nullcontext():
            weights = kernels.softmax_(scores.clone().view(count * heads, length, seen), mask, 0.3)
            back = kernels.softmax_back_(weights, grad.clone().view_as(weights), 0.3)
        close(weights.view_as(scores), wanted, dtype)
        (other,) = torch.autograd.grad(wanted, scores_, grad.double(), retain_graph=True)
        close(back.view_as(scores), other, dtype)


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 40), vocabulary=st.sampled_from([1, 7, 5000]), dtype=types, seed=seeds)
def test_probabilities_sum_to_one_and_their_logarithm_is_exact(rows, vocabulary, dtype, seed):
    logits = random(seed, rows, vocabulary, dtype=dtype) * 30
    wanted = logits.double() * 0.7
    for alone in (False, True):
        with kernels.torch_alone() if alone else contextlib.nullcontext():
            found, lse = kernels.probabilities(logits, 0.7, keep=True)
            nothing, again = kernels.probabilities(logits, 0.7, keep=False)
        torch.testing.assert_close(lse.double(), wanted.logsumexp(-1), atol=2e-5, rtol=1e-6)
        close(found, wanted.softmax(-1), dtype)
        assert nothing is None
        assert torch.equal(again, lse)


def test_not_a_number_stays_one():
    broken = torch.tensor([[1.0, float("nan")]])
    assert kernels.probabilities(broken, 1.0, keep=True)[1].isnan().all()
    assert kernels.softmax_(broken.clone()[None], torch.zeros(1, 1, 2), 1.0).isnan().any()


def test_without_a_compiler_torch_computes(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(kernels, "FLAGS", ("-never",))
    kernels._library.cache_clear()
    try:
        assert not kernels.serves(torch.float32, torch.device("cpu"))
        assert kernels.gather(torch.eye(2), torch.tensor([1, -1])).tolist() == [[0.0, 1.0], [0.0, 0.0]]
    finally:
        kernels._library.cache_clear()
    assert not kernels.serves(torch.float64, torch.device("cpu"))


def test_a_row_from_nowhere_is_zero_and_has_no_angle():
    angles = kernels.Angles(torch.full((1, 4), torch.nan), torch.full((1, 4), torch.nan), 1)
    assert kernels.gather(torch.ones(1, 4), torch.tensor([-1]), angles).tolist() == [[0.0] * 4]


@needs_c
def test_gates_far_in_the_tails_are_exact():
    gate = torch.tensor([-1e38, -200.0, 0.0, 200.0, 1e38])
    assert torch.equal(kernels.gate(gate, torch.ones(5)), torch.nn.functional.silu(gate))
    assert kernels.gate_back(torch.ones(5), gate, torch.ones(5))[0].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


@needs_c
def test_a_norm_whose_squares_overflow_is_not_a_number():
    # Zeros, as a plain norm gives, would let a diverged run go on with a gradient of exactly 0.
    out, _ = kernels.norm(torch.tensor([[1e20, 1.0], [1.0, 1.0]]), torch.ones(2), 1e-5)
    assert out[0].isnan().all()
    assert out[1].isfinite().all()
