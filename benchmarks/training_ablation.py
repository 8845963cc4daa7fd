"""What each idea of the training step buys: everything on, and each one left out in turn; plain transformers beside it.

    python benchmarks/training_ablation.py [--json]

One step of DPO on four pairs (bfloat16 over float32 masters, gradient and AdamW) on the rows of `training_vs_trl.py`.
The variants take turns, so that a busy minute hits all; seconds are medians over the rounds with lowest and highest.
The peer is transformers' own forward pass on the padded batch, every logit in float32, as common trainers call it.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, logsigmoid

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from gnomon_side import examples

from gnomon.models import blocks, kernels, logprobs
from gnomon.models.embedded import NAME
from gnomon.models.embedded import folder as embedded
from gnomon.models.local import open_folder, quiet
from gnomon.models.packing import Packed, pack
from gnomon.training.examples import Example
from gnomon.training.parameters import prepare
from gnomon.training.reference import pack_row

PAIRS, BATCHES = 4, 3
FAR = 10**12


def together(batch: list[Example]) -> list[Packed]:
    """The product's layout: every shared prefix once."""
    return [pack_row(batch)]


def twice(batch: list[Example]) -> list[Packed]:
    """Packed without padding, but with the prompt before each reply: no two begin with the same token."""
    rows = [(e.prompt, reply) for e in batch for reply in e.completions]
    return [pack([(100 + i, *prompt[1:]) for i, (prompt, _) in enumerate(rows)], [reply for _, reply in rows])]


def apart(batch: list[Example]) -> list[Packed]:
    """One row for each reply."""
    return [pack([e.prompt], [reply]) for e in batch for reply in e.completions]


def every_logit(batch: list[Example]) -> list[Packed]:
    """Logits at all positions."""
    (packed,) = together(batch)
    return [replace(packed, predictors_U=torch.arange(len(packed.ids_N)), row_K=packed.predictors_U[packed.row_K])]


def padded(model: Any, batch: list[Example]) -> torch.Tensor:
    """Log-probabilities of replies by the peer, `B` of them."""
    rows = [(e.prompt, reply) for e in batch for reply in e.completions]
    longest = max(len(p) + len(c) for p, c in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels, seen = torch.full_like(ids, -100), torch.zeros_like(ids)
    for i, (prompt, reply) in enumerate(rows):
        ids[i, : len(prompt) + len(reply)] = torch.tensor([*prompt, *reply])
        labels[i, len(prompt) : len(prompt) + len(reply)] = torch.tensor(reply)
        seen[i, : len(prompt) + len(reply)] = 1
    logits = model(input_ids=ids, attention_mask=seen, use_cache=False).logits[:, :-1].float()
    nll = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="none")
    return -nll.view(len(rows), -1).sum(1)


def packed_logp(model: Any, packs: list[Packed], attention: Any = None) -> torch.Tensor:
    return torch.cat([logprobs.sequence_logp(model, packed, attention=attention) for packed in packs])


@contextlib.contextmanager
def one_block() -> Iterator[None]:
    """Attention over the whole row, masked."""
    before = blocks.PRODUCT
    blocks.PRODUCT = FAR
    try:
        yield
    finally:
        blocks.PRODUCT = before


class Bench:
    """One model in each type, stepped by every variant in turn."""

    def __init__(self) -> None:
        place = embedded(Path.home() / ".cache" / "gnomon")
        with quiet():
            self.subjects = {
                kind: open_folder(place, name=NAME, dtype="float32", device="cpu") for kind in ("bfloat16", "float32")
            }
        self.optimizers = {
            kind: prepare(subject.model, None, precision=kind) for kind, subject in self.subjects.items()
        }
        rows = examples(self.subjects["float32"], "dpo", PAIRS * BATCHES)
        self.batches = [rows[i : i + PAIRS] for i in range(0, len(rows), PAIRS)]

    def step(
        self,
        *,
        layout: Callable[[list[Example]], list[Packed]] = together,
        kind: str = "bfloat16",
        around: Callable[[], Any] = contextlib.nullcontext,
        attention: Any = None,
        reference: bool = False,
        peer: bool = False,
    ) -> float:
        """Seconds of the three batches' steps, each."""
        model, optimizer = self.subjects[kind].model, self.optimizers[kind]
        began = time.perf_counter()
        for batch in self.batches:
            optimizer.clear()
            with around():
                measure = (
                    partial(padded, model, batch) if peer else partial(packed_logp, model, layout(batch), attention)
                )
                if reference:
                    with torch.no_grad():
                        measure()
                logp_BC = measure().view(PAIRS, 2)
                (-logsigmoid(0.1 * (logp_BC[:, 0] - logp_BC[:, 1])).mean()).backward()
            optimizer.clip(1.0)
            optimizer.step(1e-7)
        return (time.perf_counter() - began) / BATCHES


VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "without compiled passes over memory": {"around": kernels.torch_alone},
    "without own attention and fused parts": {"attention": "dense"},
    "without blocks in attention": {"around": one_block},
    "prompt before each reply": {"layout": twice},
    "one row a reply": {"layout": apart},
    "logits everywhere": {"layout": every_logit},
    "reference in every step": {"reference": True},
    "float32": {"kind": "float32"},
    "peer: transformers, padded": {"peer": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    bench = Bench()
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for turn in range(given.rounds + 1):
        for name, settings in VARIANTS.items():
            took = bench.step(**settings)
            if turn:  # the first warms up
                seconds[name].append(took)
        print(f"round {turn} of {given.rounds}", file=sys.stderr, flush=True)
    base = statistics.median(seconds["everything"])
    table = {
        name: {
            "s_per_step": [round(f(values), 3) for f in (min, statistics.median, max)],
            "times": round(statistics.median(values) / base, 2),
        }
        for name, values in seconds.items()
    }
    found = {
        "rounds": given.rounds,
        "pairs": PAIRS,
        "threads": given.threads,
        "load": os.getloadavg()[0],
        "table": table,
    }
    found["command"] = "python " + " ".join(sys.argv)
    print(json.dumps(found) if given.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
