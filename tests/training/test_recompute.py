import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import ModelError  # noqa: E402
from gnomon.core.protocols import LossOut  # noqa: E402
from gnomon.models import adapters, heads, logprobs  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training.backward import backward  # noqa: E402
from gnomon.training.recompute import recomputing  # noqa: E402

SEQUENCES = [([1, 2, 3], [4, 5]), ([1, 2, 3], [6]), ([1, 9], [7, 8, 2]), ([3], [3, 4])]
PACKS = [pack([p for p, _ in part], [c for _, c in part]) for part in (SEQUENCES, SEQUENCES[:2])]


ROOT = Path(__file__).resolve().parents[2]


def gradients(model, measure, packs, recompute):
    model.zero_grad()
    out = backward(model, packs, measure=measure, loss_of=lambda x: LossOut((x**2).mean(), {}), recompute=recompute)
    return out.loss, [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("packs", [PACKS[:1], PACKS], ids=["one row", "two rows"])
@pytest.mark.parametrize("measure", [logprobs.token_logp, heads.sequence_outputs, heads.token_outputs])
@pytest.mark.parametrize("lora", [True, False])
def test_loss_and_gradient_are_the_same_to_the_last_bit(tiny_llama, measure, packs, lora):
    model = tiny_llama(attention_dropout=0.5)
    if lora:
        for parameter in adapters.attach(model).parameters:
            parameter.data += 0.01
    else:
        model.requires_grad_(True)
    heads.attach(model, features=2)
    loss, plain = gradients(model, measure, packs, False)
    again, lean = gradients(model, measure, packs, True)
    assert loss == again
    assert len(plain) == len(lean) > 0
    assert all(torch.equal(a, b) for a, b in zip(plain, lean, strict=True))
    assert not any(layer.training for layer in model.model.layers), "sampling comes next, with its cache"


def test_dense_attention_too(tiny_llama):
    model = tiny_llama().requires_grad_(True)

    def measure(model, packed):
        return logprobs.token_logp(model, packed, attention="dense")

    (loss, plain), (again, lean) = (gradients(model, measure, PACKS, on) for on in (False, True))
    assert loss == again
    assert all(torch.equal(a, b) for a, b in zip(plain, lean, strict=True))


PROGRAM = """
import re, sys, torch
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
from tests.training.test_recompute import PACKS, gradients
from gnomon.models import logprobs
from gnomon.models.packing import pack

def peak():  # in KiB; what getrusage tells holds the peak of the process that started this one, too
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
shape = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=24, num_attention_heads=4, vocab_size=50)
model = LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2, max_position_embeddings=64)).eval()
recompute = sys.argv[1] == "yes"
packed = pack([[i % 50, i // 50] for i in range(50)], [[5] * 38] * 50)
gradients(model, logprobs.token_logp, PACKS[:1], recompute)  # what torch loads when it is first asked
before = peak()
gradients(model, logprobs.token_logp, [packed], recompute)
print(peak() - before)
"""


def grown(recompute):
    """MiB that one gradient over 2000 tokens and 24 layers adds to a process of its own.

    A fork would not do: it has the memory that the tests before it have freed.
    """
    program = [sys.executable, "-c", PROGRAM, "yes" if recompute else "no"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    ran = subprocess.run(program, capture_output=True, text=True, env=environment, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return int(ran.stdout.split()[-1]) / 1024


def test_memory_drops():
    plain, lean = grown(False), grown(True)
    assert plain > 20
    assert lean < 0.85 * plain, f"{plain:.0f} MiB without, {lean:.0f} MiB with"


def test_dropout_inside_a_layer_is_refused_and_a_model_without_layers_too(tiny_llama):
    model = tiny_llama()
    model.model.layers[1].dropout = 0.1
    with pytest.raises(ModelError, match=r"drops out inside its layers \(\{'dropout': 0.1\}\)"), recomputing(model):
        raise AssertionError
    with pytest.raises(ModelError, match="no layers that can be computed again"), recomputing(torch.nn.Linear(2, 2)):
        raise AssertionError
