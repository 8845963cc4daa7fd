"""What TRL 1.16.0's own loss code says about random rollouts, in float64: value, gradient and metrics.

    .peers/trl/bin/python tests/training/trl/online.py tests/training/trl/online.json

It calls `_compute_loss` of GRPOTrainer and RLOOTrainer on a stub of themselves: the log-probabilities are given, all
that comes after is TRL's. Only vLLM's importance ratio is computed here, as TRL does inline with mode token_truncate.
"""

import json
import random
import sys
from collections import defaultdict
from types import SimpleNamespace

import torch
import trl
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

LENGTHS, LIMIT, CAP, BETA = (5, 1, 7, 3, 4, 6), 8, 3.0, 0.07
CLIP = {"epsilon_low": 0.2, "epsilon_high": 0.2}
VESPO = {"vespo_k_pos": 2.0, "vespo_lambda_pos": 3.0, "vespo_k_neg": 3.0, "vespo_lambda_neg": 2.0}
# Our name of a loss: TRL's loss type and settings.
METHODS = {
    "grpo": ("grpo", CLIP),
    "dr_grpo": ("dr_grpo", CLIP),
    "dapo": ("dapo", CLIP | {"epsilon_high": 0.28}),
    "gspo": ("grpo", {"epsilon_low": 3e-4, "epsilon_high": 4e-4, "importance_sampling_level": "sequence"}),
    "cispo": ("cispo", {"epsilon_low": 0.2, "epsilon_high": 5.0}),
    "sapo": ("sapo", CLIP | {"sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05}),
    "vespo": ("vespo", CLIP | VESPO),
}
METRICS = {"clip_ratio/region_mean": "clip_fraction", "kl": "reference_k3", "vespo/phi_seq_mean": "phi_mean"}


def rollouts(seed: int, drift: float, mismatch: float) -> dict[str, list]:
    """Log-probabilities of rollouts of different lengths, and mixed advantages, one of them 0."""
    draw = random.Random(seed)

    def walk(start: list[list[float]], spread: float) -> list[list[float]]:
        return [[x + draw.gauss(0, spread) for x in row] for row in start]

    logp = [[-draw.expovariate(1) - 0.05 for _ in range(n)] for n in LENGTHS]
    old = walk(logp, drift)
    advantage = [draw.gauss(0, 1) for _ in LENGTHS[:-1]]
    return {
        "logp": logp,
        "old": old,
        "sampler": walk(old, mismatch) if mismatch else old,
        "reference": walk(logp, 0.6),
        "advantage": [abs(advantage[0]), -abs(advantage[1]), *advantage[2:], 0.0],
    }


def padded(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor([[*row, *[-9.0] * (max(LENGTHS) - len(row))] for row in rows], dtype=torch.float64)


def stub(logp_BT: torch.Tensor, **settings: object) -> SimpleNamespace:
    """As much of a trainer as its loss looks at."""
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logp_BT, torch.zeros_like(logp_BT), None),
        get_gamma_weights=GRPOTrainer.get_gamma_weights,
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x),
        _metrics={"train": defaultdict(list)},
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        vllm_importance_sampling_correction=True,
        current_gradient_accumulation_steps=1,
        max_completion_length=LIMIT,
        _entropy_bonus_enabled=False,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1, **settings),
        **{"importance_sampling_level": "token", "beta": 0.0} | settings,
    )


def measured(name: str, given: dict[str, list], beta: float, mismatch: bool) -> dict[str, object]:
    """One loss on one set of rollouts; the gradient of padding is checked to be nothing."""
    logp, old, sampler, reference = (padded(given[k]) for k in ("logp", "old", "sampler", "reference"))
    logp.requires_grad_(True)
    mask = torch.tensor([[t < n for t in range(max(LENGTHS))] for n in LENGTHS]).double()
    inputs = {
        "prompt_ids": torch.zeros(len(LENGTHS), 1, dtype=torch.int64),
        "prompt_mask": torch.ones(len(LENGTHS), 1, dtype=torch.int64),
        "completion_ids": torch.zeros(mask.shape, dtype=torch.int64),
        "completion_mask": mask,
        "advantages": torch.tensor(given["advantage"], dtype=torch.float64),
        "old_per_token_logps": old,
        "old_logps": (old * mask).sum(1),
        "ref_per_token_logps": reference,
        "num_items_in_batch": mask.sum(),
        "importance_sampling_ratio": ((old - sampler) * mask).exp().clamp(max=CAP),
    }
    if name == "rloo":
        trainer = stub(logp, **CLIP)
        loss = RLOOTrainer._compute_loss(trainer, None, inputs)
    else:
        loss_type, settings = METHODS[name]
        trainer = stub(logp, loss_type=loss_type, use_vllm=mismatch, **settings | {"beta": beta})
        if not mismatch:
            del inputs["importance_sampling_ratio"]
        loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    (gradient,) = torch.autograd.grad(loss, logp)
    assert (gradient * (1 - mask)).abs().sum() == 0
    numbers = trainer._metrics["train"]
    return {
        "loss": loss.item(),
        "gradient": [row[:n] for row, n in zip(gradient.tolist(), LENGTHS, strict=True)],
        "metrics": {ours: numbers[theirs][0] for theirs, ours in METRICS.items() if theirs in numbers},
    }


def main() -> None:
    sets = {
        "fresh": rollouts(1, drift=0.0, mismatch=0.0),
        "one update": rollouts(2, drift=0.02, mismatch=0.0),
        "several updates": rollouts(3, drift=0.4, mismatch=0.0),
        "a sampler that rounds": rollouts(4, drift=0.3, mismatch=0.5),
    }
    cases = [
        {"loss_name": name, "rollouts": key, "beta": beta, **measured(name, given, beta, key.endswith("rounds"))}
        for key, given in sets.items()
        for name in (*METHODS, "rloo")
        for beta in ((0.0, BETA) if name != "rloo" else (0.0,))
        if not (name == "rloo" and key.endswith("rounds"))  # TRL's RLOO has no correction for the sampler
    ]
    text = {"trl": trl.__version__, "limit": LIMIT, "cap": CAP, "rollouts": sets, "cases": cases}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(text, file, separators=(",", ":"))
        file.write("\n")


main()
