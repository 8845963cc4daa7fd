"""Tokens a second of batched generation, beside transformers on the same weights, prompts and number of threads.

    python benchmarks/generation.py [--json] [--quick] [--model FOLDER] [--threads N] [--repeats 2]
                                    [--dtypes bfloat16 float32] [--rows 64 128]

Every row has a prompt of 280 tokens that all share and 24 of its own, and gets 32 new tokens, greedily, without a stop
token. Peers: transformers' `generate` as anyone calls it, and the same given the prefix's cache, computed once and
repeated for every row (what its documentation advises). Wall time is the best of the repeats, the three taken in turn;
CPU time beside it. Beside other work (`load` above the number of cores) only the ratios mean something.
Equal tokens: the share of rows whose 32 tokens equal those of the plain peer; below 1 in bfloat16 by rounding.
Units: tokens are new tokens; prefill is inside the time.
Exit status: 0 when every setting is at least 5 times the plain peer, 1 otherwise, 2 without a model.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX, OWN, NEW, AIM = 280, 24, 32, 5.0


def prompts(rows: int, vocabulary: int) -> list[list[int]]:
    draw = random.Random(0)
    shared = [draw.randrange(100, vocabulary - 100) for _ in range(PREFIX)]
    return [shared + [draw.randrange(100, vocabulary - 100) for _ in range(OWN)] for _ in range(rows)]


def ours(model: Any, asked: list[list[int]], new: int) -> list[list[int]]:
    from gnomon.core.protocols import Sampling
    from gnomon.models.generate import generate
    from gnomon.models.sampling import streams

    return generate(
        model,
        prompts=asked,
        streams=streams([str(i) for i in range(len(asked))], seed=0),
        sampling=Sampling(max_new_tokens=new),
        stop_tokens=frozenset(),
        batch_tokens=16384,
    )


def plain(model: Any, asked: list[list[int]], new: int, **more: Any) -> list[list[int]]:
    import torch
    from transformers import GenerationConfig

    ids = torch.tensor(asked)
    config = GenerationConfig(max_new_tokens=new, do_sample=False, pad_token_id=0)
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, **more)
    return out[:, ids.shape[1] :].tolist()


def with_prefix_cache(model: Any, asked: list[list[int]], new: int) -> list[list[int]]:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(torch.tensor([asked[0][:PREFIX]]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(len(asked))
    return plain(model, asked, new, past_key_values=cache)


def measure(model: Any, rows: int, new: int, repeats: int) -> dict[str, Any]:
    asked = prompts(rows, model.config.vocab_size)
    ways: dict[str, Callable[..., list[list[int]]]] = {
        "gnomon": ours,
        "transformers": plain,
        "transformers, prefix cache": with_prefix_cache,
    }
    best: dict[str, dict[str, Any]] = {}
    tokens: dict[str, list[list[int]]] = {}
    ours(model, asked[:2], 2)
    for _ in range(repeats):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            tokens[name] = way(model, asked, new)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if name not in best or wall < best[name]["wall_s"]:
                best[name] = {
                    "tokens_per_s": round(rows * new / wall, 1),
                    "wall_s": round(wall, 2),
                    "cpu_s": round(cpu, 2),
                }
    base = best["transformers"]
    for name, row in best.items():
        row["times_transformers"] = round(base["wall_s"] / row["wall_s"], 2)
        row["times_transformers_cpu"] = round(base["cpu_s"] / row["cpu_s"], 2)
        pairs = zip(tokens[name], tokens["transformers"], strict=True)
        row["equal_rows"] = round(sum(a == b for a, b in pairs) / rows, 3)
    return best


def main() -> int:
    """Load, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="bfloat16, 16 rows, 8 new tokens, once")
    parser.add_argument("--model", default="embedded", help="embedded, or a transformers folder")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--rows", nargs="+", type=int, default=[64, 128])
    options = parser.parse_args()

    import torch
    import transformers

    from gnomon.core.errors import ModelError
    from gnomon.models.load import load
    from gnomon.models.local import quiet

    torch.set_num_threads(options.threads)
    settings = [("bfloat16", 16)] if options.quick else [(d, b) for d in options.dtypes for b in options.rows]
    new, repeats = (8, 1) if options.quick else (NEW, options.repeats)
    result: dict[str, Any] = {
        "command": "python benchmarks/generation.py " + " ".join(sys.argv[1:]),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "threads": options.threads,
        "tokens": {"shared": PREFIX, "own": OWN, "new": new},
        "load_before": round(os.getloadavg()[0], 2),
        "settings": [],
    }
    with quiet():
        for dtype, rows in settings:
            try:
                model: Any = load(options.model, cache=Path.home() / ".cache" / "gnomon", dtype=dtype, device="cpu")
            except ModelError as error:
                print(error, file=sys.stderr)
                return 2
            result["settings"].append({"dtype": dtype, "rows": rows, **measure(model.model, rows, new, repeats)})
    result["load_after"] = round(os.getloadavg()[0], 2)
    result["aim"] = AIM
    result["met"] = all(s["gnomon"]["times_transformers"] >= AIM for s in result["settings"])
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
