"""Preference pairs a second of one DPO step (LoRA on every linear layer), beside the same step as most people write it.

    python benchmarks/training_step.py [--json] [--quick] [--model FOLDER] [--threads N] [--repeats 3]

A step is 16 pairs: a system prompt of 260 tokens that all share, a question of 25, two answers of 25 each. Timed:
forward, loss, backward, clip, AdamW; the reference's log-probabilities are given. Peer: transformers and peft on a
padded batch, 8 rows at a time, with logits only where an answer is predicted; equal lengths, so none of it is padding.
Between the two, each part is taken out once; all give the same loss up to rounding. Wall time is the best of the
repeats, all variants taken in turn; CPU time beside it. Beside other work (`load` above the number of cores) only the
ratios mean something.
Units: pairs are preference pairs; seconds a step; MB are 10^6 bytes, the process's peak up to that variant.
Exit status: 0 at 3 pairs a second or more, 1 below, 2 without a model.
"""

import argparse
import contextlib
import functools
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SYSTEM, QUESTION, ANSWER, PAIRS, AIM = 260, 25, 25, 16, 3.0


def sequences(vocabulary: int, pairs: int) -> tuple[list[list[int]], list[list[int]]]:
    draw = random.Random(0)

    def words(count: int) -> list[int]:
        return [draw.randrange(100, vocabulary - 100) for _ in range(count)]

    system, prompts = words(SYSTEM), []
    for _ in range(pairs):
        prompts += [system + words(QUESTION)] * 2
    return prompts, [words(ANSWER) for _ in prompts]


def padded_logp(model: Any, prompts: list[list[int]], completions: list[list[int]]) -> Any:
    """Log-probabilities as anyone would write it: a batch of whole sequences."""
    import torch

    ids_BT = torch.tensor([p + c for p, c in zip(prompts, completions, strict=True)])
    logits_BTV = model(ids_BT, use_cache=False, logits_to_keep=ANSWER + 1).logits[:, :-1]
    logp_BTV = logits_BTV.float().log_softmax(-1)
    return logp_BTV.gather(-1, ids_BT[:, -ANSWER:, None])[..., 0].sum(-1)


@contextlib.contextmanager
def without(name: str, adapter: Any) -> Iterator[dict[str, Any]]:
    """Take one part out: peft's own forward, kernels.c, the dense mask, torch's attention or log-softmax."""

    from gnomon.models import adapters, attention, kernels, logprobs

    kept = (attention._Attend, logprobs._Select)
    arguments: dict[str, Any] = {}
    if name in ("own LoRA forward", "all"):
        for layer in adapter.layers.values():
            del layer.forward
    if name in ("tree attention", "all"):
        arguments["attention"] = "dense"
    if name == "compiled passes and own attention products":
        attention._Attend = type(
            "Plain", (), {"apply": staticmethod(lambda q, k, v, _c, _s, *rest: attention.composed(q, k, v, *rest))}
        )
    if name in ("chunked log-softmax", "all"):
        logprobs._Select = type(
            "Plain", (), {"apply": staticmethod(lambda z, row, target, _: z.float().log_softmax(-1)[row, target])}
        )
    plain = name in ("compiled passes", "compiled passes and own attention products", "all")
    try:
        with kernels.torch_alone() if plain else contextlib.nullcontext():
            yield arguments
    finally:
        attention._Attend, logprobs._Select = kept
        for layer in adapter.layers.values():
            layer.forward = functools.partial(adapters._forward, layer)


Objective = Callable[[Any, slice], Any]
"""Log-probabilities of some rows, and which rows these are, to their share of the batch's loss."""


def variants(model: Any, adapter: Any, pairs: int) -> dict[str, Callable[[Objective], float]]:
    """Ways to leave the gradient of one batch in the parameters; each returns the loss."""
    from gnomon.models import logprobs
    from gnomon.models.packing import pack

    prompts, completions = sequences(model.config.vocab_size, pairs)

    def packed(name: str, objective: Objective) -> float:
        with without(name, adapter) as arguments:
            loss = objective(logprobs.sequence_logp(model, pack(prompts, completions), **arguments), slice(None))
            loss.backward()
        return float(loss.detach())

    def padded(rows: int, objective: Objective) -> float:
        total = 0.0
        with without("own LoRA forward", adapter):
            for start in range(0, len(prompts), rows):
                part = slice(start, start + rows)
                loss = objective(padded_logp(model, prompts[part], completions[part]), part)
                loss.backward()
                total += float(loss.detach())
        return total

    parts = (
        "own LoRA forward",
        "compiled passes",
        "compiled passes and own attention products",
        "chunked log-softmax",
        "tree attention",
    )
    ways: dict[str, Callable[[Objective], float]] = {"gnomon": functools.partial(packed, "nothing")}
    ways |= {f"without {name}": functools.partial(packed, name) for name in parts}
    ways |= {"packing alone": functools.partial(packed, "all")}
    return ways | {"transformers + peft, padded, 8 rows at a time": functools.partial(padded, 8)}


def measure(model: Any, pairs: int, repeats: int) -> dict[str, dict[str, float]]:
    import torch

    from gnomon.models import adapters
    from gnomon.training.batches import PreferenceBatch
    from gnomon.training.losses.dpo import DPO

    adapter = adapters.attach(model)
    parameters = adapter.parameters
    for index, parameter in enumerate(parameters):
        if index % 2:  # B as if some steps were done, the same for every variant
            torch.nn.init.normal_(parameter, std=0.02, generator=torch.Generator().manual_seed(index))
    optimizer = torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.0, fused=True)
    ways = variants(model, adapter, pairs)
    reference: list[Any] = []

    def remember(logp_B: Any, part: slice) -> Any:
        reference.append(logp_B.detach().view(-1, 2))
        return logp_B.sum()

    def dpo(logp_B: Any, part: slice) -> Any:
        logp_BC = logp_B.view(-1, 2)
        reference_BC = reference[0].repeat_interleave(2, 0)[part][::2]
        counts = torch.full_like(reference_BC, ANSWER)
        batch = PreferenceBatch.of(
            output_BC=logp_BC, reference_BC=reference_BC, count_BC=counts, label_B=logp_BC.new_zeros(len(logp_BC))
        )
        loss = DPO()(batch=batch).loss
        return loss * len(logp_BC) / pairs

    with adapters.reference(adapter):
        model.get_input_embeddings().weight.requires_grad_(True)  # so that there is something to go backward to
        ways["gnomon"](remember)  # warms up, too: the first step of a process pays for its memory
        model.get_input_embeddings().weight.requires_grad_(False).grad = None
    best: dict[str, dict[str, float]] = {}
    for turn in range(repeats):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            optimizer.zero_grad(set_to_none=True)
            loss = way(dpo)
            norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0).item()
            optimizer.step()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
            if turn == 0 or wall < best[name]["wall_s"]:
                best[name] = {
                    "pairs_per_s": round(pairs / wall, 2),
                    "wall_s": round(wall, 2),
                    "cpu_s": round(cpu, 2),
                    "loss": round(loss, 4),
                    "gradient_norm": round(norm, 4),
                    "peak_mb": best[name]["peak_mb"] if turn else peak,
                }
    for row in best.values():
        row["times_gnomon"] = round(row["wall_s"] / best["gnomon"]["wall_s"], 2)
        row["times_gnomon_cpu"] = round(row["cpu_s"] / best["gnomon"]["cpu_s"], 2)
    adapters.detach(adapter)
    return best


def main() -> int:
    """Load, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="4 pairs, once")
    parser.add_argument("--model", default="embedded", help="embedded, or a transformers folder")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_args()

    import torch
    import transformers

    from gnomon.core.errors import ModelError
    from gnomon.models.load import load
    from gnomon.models.local import quiet

    torch.set_num_threads(options.threads)
    pairs, repeats = (4, 1) if options.quick else (PAIRS, options.repeats)
    before = os.getloadavg()[0]
    with quiet():
        try:
            found: Any = load(options.model, cache=Path.home() / ".cache" / "gnomon", dtype=options.dtype, device="cpu")
        except ModelError as error:
            print(error, file=sys.stderr)
            return 2
        rows = measure(found.model, pairs, repeats)
    result = {
        "command": "python benchmarks/training_step.py " + " ".join(sys.argv[1:]),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "threads": options.threads,
        "dtype": options.dtype,
        "pairs": pairs,
        "tokens": {"system": SYSTEM, "question": QUESTION, "answer": ANSWER},
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "variants": rows,
        "aim_pairs_per_s": AIM,
        "met": rows["gnomon"]["pairs_per_s"] >= AIM,
    }
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
