"""Gnomon's training core beside TRL: the same model, rows, batches and limits, on one machine in one run.

    python benchmarks/training_vs_trl.py [--quick] [--json]

TRL runs in an environment of its own, made if it is missing. Each method is timed for its best setting: 16-bit weights
without checkpointing, cached reference for DPO; the full run times its other settings, too. Gnomon computes in bfloat16
over float32 masters. Losses of the first steps are compared in float32, on the same batches. Weights are first moved
off bfloat16's rounding ties, on which 5.6 % of the dequantised ones lie: a small step would flip those and fake
learning.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRL = ROOT / ".peers" / "trl" / "bin" / "python"
PEERS = ROOT / "benchmarks" / "peers"
PURE = {"bf16": True, "gradient_checkpointing": False}
FULL = {"bf16": False, "gradient_checkpointing": False}
LIMITS = {"max_length": 1024}
CACHED = {"precompute_ref_log_probs": True, "precompute_ref_batch_size": 8}
GROUPS = {"max_completion_length": 64, "num_generations": 8, "gradient_accumulation_steps": 2}
BATCH = {"dpo": 4, "reward": 4, "sft": 8, "grpo": 16}
"""Pairs, rows or completions in one step."""
BEST: dict[str, dict[str, Any]] = {
    "dpo": {**LIMITS, **CACHED, "per_device_train_batch_size": 4},
    "reward": {**LIMITS, "per_device_train_batch_size": 4},
    "sft": {**LIMITS, "per_device_train_batch_size": 8},
    "grpo": {**GROUPS, "per_device_train_batch_size": 8},
}
AIMS = {"dpo": (2.5, 4.0), "reward": (2.0, 4.0), "sft": (2.0, 3.0), "grpo": (2.0, 4.0), "generate": (1.5, 4.0)}
PLACES = ("model", "head", "out")
"""What a result need not tell: folders of this machine."""
CURVES = ("dpo", "reward", "sft")
AGREE = 1e-3
"""Largest relative difference of a loss in float32 that counts as the same curve."""


def prepared(folder: Path) -> dict[str, str]:
    """The embedded model off the rounding ties, and one start for the reward heads."""
    import torch

    from gnomon.models.embedded import folder as embedded
    from gnomon.models.local import open_folder, quiet

    with quiet():
        subject = open_folder(embedded(Path.home() / ".cache" / "gnomon"), name="bench", dtype="float32", device="cpu")
        draw = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in subject.model.parameters():
                if weight.dim() > 1:
                    noise = torch.rand(weight.shape, generator=draw) - 0.5
                    weight.add_(noise * weight.abs() * 2**-8)
        subject.model.save_pretrained(folder / "model")
        subject.tokenizer.save_pretrained(folder / "model")
    head = torch.randn(1, subject.model.config.hidden_size, generator=draw) / 600
    torch.save(head, folder / "head.pt")
    return {"model": str(folder / "model"), "head": str(folder / "head.pt"), "out": str(folder / "out")}


def run(side: str, asked: dict[str, Any]) -> dict[str, Any]:
    """One measurement in a process of its own."""
    program = str(PEERS / f"{side}_side.py")
    python = str(TRL) if side == "trl" else sys.executable
    environment = {**os.environ, "OMP_NUM_THREADS": str(asked["threads"])}
    ran = subprocess.run([python, program, json.dumps(asked)], capture_output=True, text=True, env=environment)
    found = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    if ran.returncode or not found:
        raise SystemExit(f"{side}: {asked['method']} failed\n{ran.stdout[-1500:]}\n{ran.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(found[0].removeprefix("RESULT "))
    result = {key: value for key, value in result.items() if key not in PLACES}
    shown = {k: result[k] for k in ("s_per_step", "cpu_s_per_step", "peak_mib", "losses", "load") if k in result}
    print(f"{side:7} {asked['method']:9} {asked.get('dtype', ''):9} {shown or result}", file=sys.stderr, flush=True)
    return result


def flops(method: str, places: dict[str, Any]) -> float:
    """Useful floating-point operations of one step: 6 a weight and token, prompts once, the head where it is needed."""
    sys.path.insert(0, str(PEERS))
    from gnomon_side import examples

    from gnomon.models.local import open_folder, quiet
    from gnomon.training.reference import pack_row

    with quiet():
        subject = open_folder(Path(places["model"]), name="bench", dtype="bfloat16", device="cpu")
    head = subject.model.get_output_embeddings().weight.numel()
    body = sum(p.numel() for p in subject.model.parameters()) - head
    count = BATCH[method]
    steps = [examples(subject, method, 4 * count)[i : i + count] for i in range(count, 4 * count, count)]
    packs = [pack_row(step) for step in steps]
    each = [6 * body * len(p.ids_N) + (6 * head * len(p.predictors_U) if method != "reward" else 0) for p in packs]
    return sum(each) / len(each)


def compared(places: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """Every measurement, and what follows from it."""
    steps = 2 if options.quick else 6
    base = {**places, "threads": options.threads, "learning_rate": 1e-6}
    found: dict[str, Any] = {"speedup": {}, "memory_ratio": {}, "ceiling_share": {}, "curves": {}, "runs": []}
    limit = run("gnomon", {**base, "method": "ceiling", "repeats": 5})
    found["ceiling_gflops"] = {k: limit[k] for k in ("float32", "bfloat16")}
    for method in BEST:
        asked = {**base, "method": method, "steps": steps, "batch": BATCH[method], "dtype": "bfloat16"}
        rows = 64 if method == "grpo" else (steps + 1) * BATCH[method]
        ours = run("gnomon", asked)
        settings = [PURE] if options.quick else [PURE, FULL, {}]
        theirs = []
        for config in settings:
            dtype = "bfloat16" if config is PURE else "float32"
            given = {**asked, "rows": rows, "dtype": dtype, "config": {**BEST[method], **config}}
            theirs.append(run("trl", given))
        best = min(theirs, key=lambda r: r["s_per_step"])
        found["runs"] += [ours, *theirs]
        found["speedup"][method] = round(best["s_per_step"] / ours["s_per_step"], 2)
        found["memory_ratio"][method] = round(ours["peak_mib"] / best["peak_mib"], 2)
        found.setdefault("per_s", {})[method] = {
            "gnomon": round(BATCH[method] / ours["s_per_step"], 2), "trl": round(BATCH[method] / best["s_per_step"], 2)
        }  # fmt: skip
        if method != "grpo":
            share = flops(method, places) / ours["s_per_step"] / 1e9 / limit["bfloat16"]
            found["ceiling_share"][method] = round(share, 2)
        if method in CURVES:
            exact = {**asked, "dtype": "float32", "steps": 4, "rows": 5 * BATCH[method]}
            mine = run("gnomon", exact)["losses"][:5]
            trl = run("trl", {**exact, "config": {**BEST[method], **FULL}})["losses"][:5]
            worst = max(abs(a - b) / abs(b) for a, b in zip(mine, trl, strict=True))
            found["curves"][method] = {
                "gnomon": mine,
                "trl": trl,
                "worst": float(f"{worst:.2g}"),
                "agree": worst <= AGREE,
            }
    sizes = {"sizes": [16, 64], "new": 128, "repeats": 1 if options.quick else 2, "dtype": "bfloat16"}
    sizes["caches"] = ["dynamic"] if options.quick else ["dynamic", "static"]
    ours, theirs = (run(side, {**base, **sizes, "method": "generate"}) for side in ("gnomon", "trl"))
    rates = {}
    for size in ("16", "64"):
        best = max(theirs[f"{size}/{cache}"]["tokens_per_s"] for cache in sizes["caches"])
        rates[size] = {"gnomon": ours[size]["tokens_per_s"], "transformers": best}
    found["tokens_per_s"] = rates
    ratios = {size: round(r["gnomon"] / r["transformers"], 2) for size, r in rates.items()}
    found["speedup"] |= {"generate": min(ratios.values()), "generate_16": ratios["16"], "generate_64": ratios["64"]}
    peaks = [max(theirs[f"16/{c}"]["peak_mib"] for c in sizes["caches"]), ours["16"]["peak_mib"]]
    found["memory_ratio"]["generate"] = round(peaks[1] / peaks[0], 2)
    found["met"] = {name: [found["speedup"][name] >= aim for aim in aims] for name, aims in AIMS.items()}
    return found


def main() -> int:
    """Prepare, measure both sides, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument(
        "--quick", action="store_true", help="two timed steps, TRL's best setting and generate's dynamic cache only"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if not TRL.exists():
        print("Installing TRL in an environment of its own ...", file=sys.stderr)
        subprocess.run(["make", "-C", str(ROOT), ".peers/trl/made"], check=True, stdout=sys.stderr)
    with tempfile.TemporaryDirectory(dir=ROOT / ".peers") as folder:
        result = compared(prepared(Path(folder)), options)
    result["command"] = "python benchmarks/training_vs_trl.py " + " ".join(sys.argv[1:])
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0 if all(least for least, _ in result["met"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
