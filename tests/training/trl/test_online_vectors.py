"""Our online losses on the rollouts of which TRL's own code has said value, gradient and metrics, in float64."""

import json
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.core import plugin  # noqa: E402
from gnomon.training.batches import RolloutBatch, columns  # noqa: E402

FOLDER = Path(__file__).parent
VECTORS = json.loads((FOLDER / "online.json").read_text(encoding="utf-8"))


def flat(rows):
    return [x for row in rows for x in row]


def ours(case):
    given = VECTORS["rollouts"][case["rollouts"]]
    owner = flat([b] * len(row) for b, row in enumerate(given["logp"]))
    batch = columns(
        RolloutBatch,
        {
            "logp_K": flat(given["logp"]),
            "old_logp_K": flat(given["old"]),
            "sampler_logp_K": flat(given["sampler"]),
            "reference_K": flat(given["reference"]),
            "advantage_K": [given["advantage"][b] for b in owner],
            "owner_K": owner,
            "limit_B": [VECTORS["limit"]] * len(given["logp"]),
        },
    )
    settings = {"beta": case["beta"]} if case["loss_name"] != "rloo" else {}
    out = plugin.build("loss", case["loss_name"], settings | {"mismatch_cap": VECTORS["cap"]})(batch=batch)
    (gradient,) = torch.autograd.grad(out.loss, batch.logp_K)
    return out, gradient.tolist()


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda c: f"{c['loss_name']}, {c['rollouts']}, beta {c['beta']}")
def test_value_gradient_and_metrics_are_those_of_trl(case):
    out, gradient = ours(case)
    assert out.loss.item() == pytest.approx(case["loss"], rel=1e-6, abs=1e-9)
    assert gradient == pytest.approx(flat(case["gradient"]), rel=1e-6, abs=1e-9)
    assert {name: out.metrics[name] for name in case["metrics"]} == pytest.approx(case["metrics"], rel=1e-6)


def test_the_vectors_reach_every_branch():
    stopped = {c["loss_name"] for c in VECTORS["cases"] if 0 < c["metrics"].get("clip_fraction", 0) < 1}
    assert stopped == {"grpo", "dr_grpo", "dapo", "gspo", "rloo"}
    given = VECTORS["rollouts"]["a sampler that rounds"]
    gaps = torch.tensor(flat(given["old"])) - torch.tensor(flat(given["sampler"]))
    assert gaps.exp().max() > VECTORS["cap"]
    assert min(given["advantage"]) < 0 < max(given["advantage"])
    assert len({len(row) for row in given["logp"]}) > 3


@pytest.mark.slow
def test_trl_still_says_the_same(trl_python, tmp_path):
    """Run again where TRL is installed: the committed numbers are its own."""
    made = tmp_path / "online.json"
    subprocess.run([trl_python, FOLDER / "online.py", made], check=True)
    again = json.loads(made.read_text(encoding="utf-8"))
    assert again["trl"] == VECTORS["trl"]
    assert again["rollouts"] == VECTORS["rollouts"]
    for new, old in zip(again["cases"], VECTORS["cases"], strict=True):
        assert flat(new["gradient"]) == pytest.approx(flat(old["gradient"]), rel=1e-9, abs=1e-12)
        assert new["loss"] == pytest.approx(old["loss"], rel=1e-9)
