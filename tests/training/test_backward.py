import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import TrainingError  # noqa: E402
from gnomon.core.protocols import LossOut  # noqa: E402
from gnomon.models import logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training.backward import backward, outputs  # noqa: E402

SEQUENCES = [([1, 2, 3], [4, 5]), ([1, 2, 3], [6]), ([1, 9], [7, 8, 2]), ([3], [3, 4])]


def gradients(model, cuts, measure):
    """Loss and gradients when the sequences stand in rows cut there."""
    model.zero_grad()
    packs = [pack([p for p, _ in SEQUENCES[a:b]], [c for _, c in SEQUENCES[a:b]]) for a, b in cuts]

    def loss_of(values):
        # Looks at the whole batch at once: no sum of parts.
        return LossOut(values.softmax(0)[0] * values.sum() + values.max() ** 2, {"seen": float(len(values))})

    out = backward(model, packs, measure=measure, loss_of=loss_of)
    return out, [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("measure", [logprobs.sequence_logp, logprobs.token_logp])
def test_rows_do_not_change_loss_or_gradient(tiny_llama, measure):
    model = tiny_llama("float64").requires_grad_(True)
    whole, wanted = gradients(model, [(0, 4)], measure)
    for cuts in ([(0, 2), (2, 4)], [(0, 1), (1, 3), (3, 4)]):
        out, found = gradients(model, cuts, measure)
        assert out.loss.item() == pytest.approx(whole.loss.item(), rel=1e-6)
        assert out.metrics == whole.metrics
        for a, b in zip(wanted, found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)  # rotary angles are float32 inside


def test_an_empty_batch_is_an_error(tiny_llama):
    with pytest.raises(TrainingError, match="an empty batch has no loss"):
        backward(tiny_llama(), [], measure=logprobs.token_logp, loss_of=lambda x: LossOut(x.sum(), {}))


def test_outputs_are_those_of_each_row_and_carry_no_gradient(tiny_llama):
    model = tiny_llama().requires_grad_(True)
    packs = [pack([p], [c]) for p, c in SEQUENCES]
    found = outputs(model, packs, logprobs.token_logp)
    assert [len(part) for part in found] == [len(c) for _, c in SEQUENCES]
    assert all(torch.equal(a, logprobs.token_logp(model, p).detach()) for a, p in zip(found, packs, strict=True))
    assert not any(part.requires_grad for part in found)
