import json

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import TrainingError  # noqa: E402
from gnomon.core.protocols import Quiet  # noqa: E402
from gnomon.models import adapters, logprobs  # noqa: E402
from gnomon.models.local import LocalModel  # noqa: E402
from gnomon.training.examples import Example  # noqa: E402
from gnomon.training.reference import log_probabilities, pack_row  # noqa: E402

EXAMPLES = [Example(id=str(i), prompt=(1, 2), completions=((i + 3, 4), (i + 5,))) for i in range(4)]


def reference(subject, path, adapter=None, batches=(EXAMPLES[:2], EXAMPLES[2:]), trained=False):
    return log_probabilities(
        subject=subject, adapter=adapter, batches=batches, row_tokens=100, path=path, trained=trained, sink=Quiet()
    )


@pytest.fixture
def subject(tiny_llama):
    return LocalModel(model=tiny_llama(), tokenizer=None, identity={"name": "tiny", "weights": "0"})


def test_is_the_model_without_its_adapter(subject, tmp_path):
    with torch.no_grad():
        wanted = logprobs.sequence_logp(subject.model, pack_row(EXAMPLES[:2])).tolist()
    adapter = adapters.attach(subject.model)
    for parameter in adapter.parameters:
        parameter.data.add_(0.3)
    cache = reference(subject, tmp_path / "r.json", adapter)
    assert cache[EXAMPLES[0].content] + cache[EXAMPLES[1].content] == wanted


def test_cached_values_are_read_back_exactly_and_only_new_ones_computed(subject, tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    first = reference(subject, path, batches=[EXAMPLES[:2]])
    calls = []
    plain = logprobs.sequence_logp
    monkeypatch.setattr(logprobs, "sequence_logp", lambda m, p: calls.append(1) or plain(m, p))
    again = reference(subject, path)
    assert len(calls) == 1
    assert {k: again[k] for k in first} == first
    assert len(again) == 4
    assert reference(subject, path) == again
    assert len(calls) == 1


def test_later_epochs_are_not_computed_again(subject, tmp_path, monkeypatch):
    calls = []
    plain = logprobs.sequence_logp
    monkeypatch.setattr(logprobs, "sequence_logp", lambda m, p: calls.append(1) or plain(m, p))
    reference(subject, tmp_path / "r.json", batches=[EXAMPLES[:2], EXAMPLES[2:], EXAMPLES[1:3], EXAMPLES[::3]])
    assert len(calls) == 2


def test_another_model_does_not_read_them(subject, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"of": "another", "values": {EXAMPLES[0].content: [0.0, 0.0]}}))
    assert reference(subject, path)[EXAMPLES[0].content] != [0.0, 0.0]


def test_lost_or_damaged_cache(subject, tmp_path):
    with pytest.raises(TrainingError, match="start again"):
        reference(subject, tmp_path / "r.json", trained=True)
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(TrainingError, match="damaged"):
        reference(subject, tmp_path / "r.json")
