"""How long, and in how much memory, the limit of a long run is analysed: cases x checkpoints, three sizes.

    python benchmarks/limits_scale.py [--json] [--quick]

Simulated gold, proxy, breaches and length of the text: one value a case and checkpoint, families of ten, and a gold
that rises and falls again. What runs on it is what the certificate runs: the fit with 1000 draws, the fall of gold, the
parting of proxy and gold and the drift of the text at every checkpoint, the looks, the intervals of every point and the
frontier. Each size has a process of its own, on one thread; its peak memory includes the data (320 MB at the largest).
Not in it: reading records, which hold one line a judged reply.
The peer is what one writes with scipy: families drawn again, means taken, `curve_fit`; a few draws, multiplied to 1000.
Units: seconds of wall time and of CPU; MB are 10^6 bytes. `exponent`: slope of log seconds over log cases, 1 is linear.
Exit status: 0 within the limits (30 s, 2 GiB, exponent at most 1.2), 1 beyond.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CHECKPOINTS, FAMILY, DRAWS, PEER_DRAWS = 100, 10, 1000, 10
SIZES = (25_000, 50_000, 100_000)
LIMIT_S, LIMIT_MB, LIMIT_EXPONENT = 30.0, 2 * 1024**3 / 1e6, 1.2
LABELS = [f"step-{p}" for p in range(CHECKPOINTS)]


def data(cases: int) -> dict[str, Any]:
    """Everything that was measured; distances up to 4 sqrt(nats), the true peak at 2."""
    draw = np.random.default_rng(0)
    distance_P = np.linspace(0.0, 4.0, CHECKPOINTS)
    true_P = distance_P * (0.3 - 0.075 * distance_P)
    luck_C = np.repeat(0.05 * draw.standard_normal(cases // FAMILY), FAMILY) + 0.05 * draw.standard_normal(cases)

    def noise() -> Any:
        return 0.05 * draw.standard_normal((CHECKPOINTS, cases), dtype=np.float32)

    gold_PC = np.clip(0.4 + true_P[:, None] + luck_C + noise(), 0, 1)
    proxy_PC = np.clip(0.3 + 0.1 * distance_P[:, None] + luck_C + noise(), 0, 1)
    return {
        "distance_P": distance_P,
        "gold_PC": gold_PC,
        "proxy_PC": proxy_PC,
        "breach_PC": (draw.random((CHECKPOINTS, cases), dtype=np.float32) < 0.05 + 0.02 * distance_P[:, None]) * 1.0,
        "length_PC": 60 + 5 * distance_P[:, None] + 10 * noise(),
        "ids": [f"c{i}" for i in range(cases)],
        "clusters_C": [f"f{i // FAMILY}" for i in range(cases)],
    }


def parts(given: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    from gnomon.core.stats import clopper_pearson
    from gnomon.limits import anytime, cases, fits, frontier, sparse

    gold_PC, proxy_PC, breach_PC, length_PC = (given[f"{n}_PC"] for n in ("gold", "proxy", "breach", "length"))
    ids, clusters = given["ids"], tuple(given["clusters_C"])

    def table(value_PC: Any) -> cases.Values:
        return cases.Values(cases=tuple(ids), clusters_C=clusters, value_PC=value_PC)

    def gaps() -> list[Any]:
        return [
            sparse.gap(label=LABELS[p], ids=ids, proxy_before_C=proxy_PC[0], proxy_now_C=proxy_PC[p],
                       gold_before_C=gold_PC[0], gold_now_C=gold_PC[p], level=1e-4)
            for p in range(1, CHECKPOINTS)
        ]  # fmt: skip

    def drifts() -> list[Any]:
        means_PK = cases.families(table(length_PC)).value_PC
        names = [str(i) for i in range(means_PK.shape[1])]
        return [
            sparse.drift(label=LABELS[p], ids=names, before={"length": means_PK[0]}, now={"length": means_PK[p]})
            for p in range(1, CHECKPOINTS)
        ]

    def front() -> Any:
        gold, breaches = table(gold_PC), table(breach_PC)
        golds = cases.estimates(gold, unit="gold")
        rates = [clopper_pearson(int(row_C.sum()), len(row_C)) for row_C in breach_PC]
        return frontier.frontier(labels=LABELS, golds=golds, rates=rates, gold=gold, breaches=breaches)

    return {
        "fit": lambda: fits.fit(
            distance_P=given["distance_P"], gold_PC=gold_PC, clusters_C=clusters, form="best_of_n", draws=DRAWS
        ),
        "change point": lambda: sparse.change_point(labels=LABELS, ids=ids, gold_PC=gold_PC),
        "gap": gaps,
        "drift": drifts,
        "looks": lambda: anytime.watch(labels=LABELS, gold_PC=cases.families(table(gold_PC)).value_PC),
        "frontier": front,
    }


def measure(cases: int) -> dict[str, Any]:
    """Seconds of every part in this process, and its peak memory."""
    given, seconds, found = data(cases), {}, {}
    began, cpu = time.perf_counter(), time.process_time()
    for name, run in parts(given).items():
        start = time.perf_counter()
        found[name] = run()
        seconds[name] = round(time.perf_counter() - start, 3)
    total, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = found["fit"].peak
    return {
        "cases": cases,
        "checkpoints": CHECKPOINTS,
        "seconds": round(total, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "parts": seconds,
        "fitted_peak": None if peak is None else [peak.low, peak.value, peak.high],
        "refusal": found["fit"].reason,
        "fell_at": next((look.label for look in found["looks"] if look.stop), None),
    }


def peer(cases: int) -> dict[str, Any]:
    """The same fit and interval as written with scipy."""
    from scipy.optimize import curve_fit

    given = data(cases)
    gold_PC, distance_P = given["gold_PC"], given["distance_P"]
    change_PKF = (gold_PC - gold_PC[0]).reshape(CHECKPOINTS, -1, FAMILY)
    draw, peaks = np.random.default_rng(0), []
    start = time.perf_counter()
    for _ in range(PEER_DRAWS):
        drawn = draw.integers(0, change_PKF.shape[1], change_PKF.shape[1])
        mean_P = change_PKF[:, drawn].mean(axis=(1, 2))
        (a, b), _ = curve_fit(lambda d, a, b: d * (a - b * d), distance_P, mean_P)
        peaks.append(a / (2 * b))
    seconds = (time.perf_counter() - start) / PEER_DRAWS * DRAWS
    return {"cases": cases, "fit_seconds": round(seconds, 1), "draws_run": PEER_DRAWS, "peak": float(np.mean(peaks))}


def alone(what: str, cases: int) -> dict[str, Any]:
    """One measurement in a process of its own, on one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--only", what, "--cases", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | one, check=True)
    return json.loads(done.stdout)


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--only", choices=("ours", "peer"), help="one measurement, in this process")
    parser.add_argument("--cases", type=int, default=SIZES[-1])
    given = parser.parse_args()
    if given.only:
        print(json.dumps((measure if given.only == "ours" else peer)(given.cases)))
        return 0
    sizes = [size // 10 if given.quick else size for size in SIZES]
    load = round(os.getloadavg()[0], 2)
    rows = [alone("ours", size) for size in sizes]
    x, y = (np.log([float(row[key]) for row in rows]) for key in ("cases", "cpu_seconds"))
    largest, exponent = rows[-1], float(np.polyfit(x, y, 1)[0])
    within = largest["seconds"] <= LIMIT_S and largest["peak_mb"] <= LIMIT_MB and exponent <= LIMIT_EXPONENT
    result = {
        "sizes": rows,
        "exponent": round(exponent, 3),
        "peer": alone("peer", sizes[-1]),
        "load_before": load,
        "limits": {"seconds": LIMIT_S, "peak_mb": math.floor(LIMIT_MB), "exponent": LIMIT_EXPONENT},
        "within": within,
    }
    print(json.dumps(result) if given.json else json.dumps(result, indent=1))
    return 0 if within else 1


if __name__ == "__main__":
    raise SystemExit(main())
