"""Our offline losses on the tensors of which TRL's own trainers have said value and gradient, in float64.

Where we depart from TRL (each loss's head says so), the test turns the same tensors into what both mean alike, or adds
the term by which they differ; the tolerance is the same everywhere.
"""

import json
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.training.batches import DemonstrationBatch, LabelledBatch, PreferenceBatch, RewardBatch  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402
from gnomon.training.losses.ipo import IPO  # noqa: E402
from gnomon.training.losses.kto import KTO  # noqa: E402
from gnomon.training.losses.orpo import ORPO  # noqa: E402
from gnomon.training.losses.reward import Reward  # noqa: E402
from gnomon.training.losses.sft import SFT  # noqa: E402
from gnomon.training.losses.simpo import SimPO  # noqa: E402

FOLDER = Path(__file__).parent
VECTORS = json.loads((FOLDER / "offline.json").read_text(encoding="utf-8"))
CASES = {(method, case["name"]): case for method, cases in VECTORS.items() if method != "trl" for case in cases}


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def equal(case, leaf, loss):
    """Ours against TRL's: the value, and the gradient in every token's log-probability, logit or reward."""
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)
    torch.testing.assert_close(gradient, tensor(case["gradient"]), atol=1e-10, rtol=1e-9)


def preference(logp, count, reference=None):
    """Sums of 2B completions, chosen first, as a batch of B pairs."""
    reference = torch.full_like(logp.detach(), torch.nan) if reference is None else reference
    names = ("chosen_{}_B", "rejected_{}_B")
    parts = {"logp": logp, "reference": reference, "count": count}
    return PreferenceBatch(
        **{name.format(k): half for k, v in parts.items() for name, half in zip(names, v.chunk(2), strict=True)}
    )


def tokens(case):
    """The leaf (a log-probability a token), and what a loss reads of it: sums and counts of the completions."""
    leaf, mask = tensor(case["log_probs"]).requires_grad_(True), tensor(case["mask"])
    return leaf, (leaf * mask).sum(1), mask.sum(1)


def pairs(case):
    leaf, logp, count = tokens(case)
    return leaf, preference(logp, count, tensor(case["reference"]))


def demonstrations(logp, count):
    return DemonstrationBatch(logp_B=logp, reference_B=torch.full_like(logp, torch.nan), count_B=count)


def from_logits(case):
    """The leaf (logits), each token's log-probability, and the batch of the completions."""
    leaf, ids = tensor(case["logits"]).requires_grad_(True), torch.tensor(case["ids"])
    logp = leaf[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    mask = tensor(case["mask"])
    return leaf, logp, preference((logp * mask).sum(1), mask.sum(1))


@pytest.mark.parametrize("name", ["sigmoid", "label smoothing", "likelihood term, chosen of equal length"])
def test_dpo(name):
    case = CASES["dpo", name]
    leaf, batch = pairs(case)
    alpha = dict(zip(case["settings"]["terms"], case["settings"]["weights"], strict=True)).get("sft", 0.0)
    kept = {key: case["settings"][key] for key in ("beta", "label_smoothing")}
    equal(case, leaf, DPO(**kept, rpo_alpha=alpha)(batch=batch).loss)


def test_the_likelihood_term_of_dpo_is_a_mean_of_replies_and_trls_one_of_tokens():
    case = CASES["dpo", "likelihood term, chosen of any length"]
    leaf, batch = pairs(case)
    chosen = demonstrations(batch.chosen_logp_B, batch.chosen_count_B)
    weight = case["settings"]["weights"][1]
    equal(case, leaf, DPO(beta=case["settings"]["beta"])(batch=batch).loss + weight * SFT()(batch=chosen).loss)
    ours = DPO(beta=case["settings"]["beta"], rpo_alpha=weight)(batch=batch).loss
    assert ours.item() != pytest.approx(case["loss"], rel=1e-3)


def test_ipo_averaged_over_length_is_trls():
    case = CASES["ipo", "averaged over length"]
    leaf, batch = pairs(case)
    equal(case, leaf, IPO(tau=case["settings"]["beta"], length_average=True)(batch=batch).loss)


def test_ipo_of_the_paper_is_trls_on_log_probabilities_divided_by_length():
    case = CASES["ipo", "averaged over length"]
    leaf, logp, count = tokens(case)
    batch = preference(logp / count, count, tensor(case["reference"]) / count)
    equal(case, leaf, IPO(tau=case["settings"]["beta"])(batch=batch).loss)


@pytest.mark.parametrize("name", [name for method, name in CASES if method == "kto"])
def test_kto(name):
    case = CASES["kto", name]
    leaf, logp, _ = tokens(case)
    batch = LabelledBatch(
        logp_B=logp,
        reference_B=tensor(case["reference"]),
        mismatched_logp_B=tensor(case["mismatched_log_probs"]).sum(1),
        mismatched_reference_B=tensor(case["mismatched_reference"]),
        desirable_B=tensor(case["label"]),
    )
    out = KTO(**case["settings"])(batch=batch)
    equal(case, leaf, out.loss)
    assert (out.metrics["kl"] > 0) == (name != "divergence below zero")


@pytest.mark.parametrize("name", [name for method, name in CASES if method == "simpo"])
def test_simpo(name):
    case = CASES["simpo", name]
    leaf, _, batch = from_logits(case)
    equal(case, leaf, SimPO(**case["settings"])(batch=batch).loss)


def test_orpo_where_trl_means_the_same_likelihood():
    # One token before a completion is not predicted itself, and chosen replies of equal length weigh the same.
    case = CASES["orpo", "one token before chosen of equal length"]
    leaf, _, batch = from_logits(case)
    equal(case, leaf, ORPO(**case["settings"])(batch=batch).loss)


def test_the_likelihood_term_of_orpo_leaves_out_prompts_that_trl_counts():
    case = CASES["orpo", "prompts and chosen of any length"]
    leaf, logp, batch = from_logits(case)
    full = tensor(case["full_mask"])
    half = len(full) // 2
    all_tokens = demonstrations((logp * full).sum(1)[:half], full.sum(1)[:half])
    odds = ORPO(**case["settings"])(batch=batch).loss - ORPO(lam=0.0)(batch=batch).loss
    equal(case, leaf, odds + SFT()(batch=all_tokens).loss)


@pytest.mark.parametrize("name", [name for method, name in CASES if method == "reward"])
def test_reward(name):
    case = CASES["reward", name]
    leaf = tensor(case["rewards"]).requires_grad_(True)
    chosen, rejected = leaf.chunk(2)
    batch = RewardBatch(chosen_reward_B=chosen, rejected_reward_B=rejected, margin_B=tensor(case["margin"]))
    equal(case, leaf, Reward(**case["settings"])(batch=batch).loss)


def test_sft():
    case = CASES["sft", "replies of any length"]
    leaf, logp, count = tokens(case)
    equal(case, leaf, SFT()(batch=demonstrations(logp, count)).loss)


@pytest.mark.slow
def test_trl_still_says_the_same(trl_python, tmp_path):
    """Run again where TRL is installed: the committed numbers are its own."""
    made = tmp_path / "offline.json"
    subprocess.run([trl_python, FOLDER / "offline.py", made], check=True)
    again = json.loads(made.read_text(encoding="utf-8"))
    assert again.pop("trl") == VECTORS["trl"]
    for method, cases in again.items():
        for new in cases:
            old = CASES[method, new["name"]]
            assert new.keys() == old.keys()
            for key in new.keys() - {"name", "settings"}:
                torch.testing.assert_close(tensor(new[key]), tensor(old[key]), atol=1e-12, rtol=1e-9)
            assert new["settings"] == old["settings"]
    assert sum(map(len, again.values())) == len(CASES)
