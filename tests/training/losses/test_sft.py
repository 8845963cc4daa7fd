import pytest

torch = pytest.importorskip("torch")

from gnomon.models import logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training.batches import DemonstrationBatch  # noqa: E402
from gnomon.training.losses.sft import SFT  # noqa: E402


def test_equals_transformers_own_loss_with_masked_prompts(tiny_llama):
    model = tiny_llama("float64")
    prompts, completions = [[1, 2, 3], [1, 2]], [[4, 5], [6, 7, 8]]
    packed = pack(prompts, completions)
    logp_BC = logprobs.sequence_logp(model, packed)[:, None]
    batch = DemonstrationBatch.of(
        output_BC=logp_BC, reference_BC=logp_BC.detach(), count_BC=packed.count_B[:, None], label_B=torch.zeros(2)
    )
    loss = SFT()(batch=batch).loss
    ids = torch.tensor([[1, 2, 3, 4, 5], [1, 2, 6, 7, 8]])
    labels = torch.tensor([[-100, -100, -100, 4, 5], [-100, -100, 6, 7, 8]])
    wanted = model(input_ids=ids, labels=labels).loss
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
