import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import TrainingError  # noqa: E402
from gnomon.training import optimizer as module  # noqa: E402
from gnomon.training.optimizer import Optimizer  # noqa: E402


def weights(dtype=torch.float32, seed=0):
    drawn = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.Parameter(drawn.to(dtype))


def descend(weight, optimizer, steps, rate=1e-3):
    for step in range(steps):
        optimizer.clear()
        target = weights(torch.float64, seed=7 + step).to(weight.dtype).detach()
        ((weight - target) ** 2).sum().backward()
        optimizer.clip(1.0)
        optimizer.step(rate)


def test_equals_torch_in_float32():
    mine, theirs = weights(), weights()
    optimizer, adamw = Optimizer([mine], weight_decay=0.01), torch.optim.AdamW([theirs], lr=1e-3, weight_decay=0.01)
    descend(mine, optimizer, 4)
    for step in range(4):
        adamw.zero_grad()
        ((theirs - weights(torch.float64, seed=7 + step).float().detach()) ** 2).sum().backward()
        torch.nn.utils.clip_grad_norm_([theirs], 1.0)
        adamw.step()
    torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


def test_masters_keep_steps_that_bfloat16_swallows():
    plain, weight = weights(torch.bfloat16), weights(torch.float32)
    optimizer = Optimizer([weight])
    optimizer.compute_in(torch.bfloat16)
    assert weight.dtype == torch.bfloat16
    adamw = torch.optim.AdamW([plain], lr=1e-5, weight_decay=0.0)
    for _ in range(400):
        optimizer.clear()
        (weight.sum()).backward()
        optimizer.step(1e-5)
        plain.grad = torch.ones_like(plain)
        adamw.step()
    moved = weights() - optimizer.masters[0]
    torch.testing.assert_close(moved, torch.full_like(moved, 400 * 1e-5), rtol=1e-2, atol=0)
    assert (plain == weights(torch.bfloat16)).float().mean() > 0.5, "bfloat16 alone swallows such steps"
    assert torch.equal(weight, optimizer.masters[0].to(torch.bfloat16))


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_weights_stepped_in_parts_move_as_if_together(monkeypatch, compute):
    """Each part once: what waits for its turn must not be stepped with the ones before it."""

    def run(at_once):
        monkeypatch.setattr(module, "AT_ONCE", at_once)
        mine = [weights(seed=i) for i in range(4)]
        optimizer = Optimizer(mine, weight_decay=0.1)
        optimizer.compute_in(compute)
        for step in range(5):
            optimizer.clear()
            sum(((w - weights(compute, seed=9 + step).detach()) ** 2).sum() for w in mine).backward()
            norm = optimizer.clip(1.0)
            optimizer.step(1e-2)
        return norm, optimizer.masters

    (one, together), (other, apart) = run(10**6), run(20)
    assert one == pytest.approx(other, rel=1e-5)
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_gradients_of_several_passes_add_up_exactly():
    weight = weights()
    optimizer = Optimizer([weight])
    optimizer.compute_in(torch.bfloat16)
    for value in (1.0, 2**-9, 2**-9):  # each lost alone beside 1 in bfloat16
        (weight * torch.tensor(value, dtype=torch.bfloat16)).sum().backward()
    assert optimizer.clip(1e9) == pytest.approx(15**0.5 * (1.0 + 2**-8), rel=1e-6)
    optimizer.clear()
    assert optimizer.clip(1e9) == 0.0


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_goes_on_from_stored_state_bit_for_bit(compute):
    def begin():
        weight = weights()
        optimizer = Optimizer([weight])
        optimizer.compute_in(compute)
        return weight, optimizer

    whole, optimizer = begin()
    descend(whole, optimizer, 3)
    stored = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    values = whole.detach().clone()
    descend(whole, optimizer, 3)
    again, optimizer = begin()
    again.data.copy_(values)
    optimizer.restore(stored)
    descend(again, optimizer, 3)
    assert torch.equal(whole, again)


def test_another_precision_is_refused():
    first, second = Optimizer([weights()]), Optimizer([weights(torch.bfloat16)])
    descend(first.parameters[0], first, 1)
    with pytest.raises(TrainingError, match="another model or precision"):
        second.restore(first.state())
