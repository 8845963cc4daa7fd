import pytest

torch = pytest.importorskip("torch")

from gnomon.training.batches import DemonstrationBatch, PreferenceBatch  # noqa: E402


def test_columns_become_named_vectors():
    logp, reference, count = (torch.tensor([[1.0, 2.0], [3.0, 4.0]]) + shift for shift in (0, 10, 20))
    label = torch.zeros(2)
    batch = PreferenceBatch.of(output_BC=logp, reference_BC=reference, count_BC=count, label_B=label)
    assert batch.chosen_logp_B.tolist() == [1.0, 3.0]
    assert batch.rejected_reference_B.tolist() == [12.0, 14.0]
    assert batch.rejected_count_B.tolist() == [22.0, 24.0]
    single = DemonstrationBatch.of(
        output_BC=logp[:, :1], reference_BC=reference[:, :1], count_BC=count[:, :1], label_B=label
    )
    assert single.logp_B.tolist() == [1.0, 3.0]
