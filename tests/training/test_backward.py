import pytest

torch = pytest.importorskip("torch")

from gnomon.core.protocols import LossOut  # noqa: E402
from gnomon.models import logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training.backward import backward  # noqa: E402

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
