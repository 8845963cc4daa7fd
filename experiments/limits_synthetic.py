"""Where does a fitted curve say that optimisation stops helping, and when does it refuse to say?

    python experiments/limits_synthetic.py [--quick] [--json]

A task of 200,000 actions with a gold and a proxy. The proxy errs in three ways: Gaussian (gold never declines),
Student-t with 3 degrees of freedom (it declines), and 0.3 % of hacks, whose proxy is 3 higher and gold 3 lower (it
declines where a small-distance fit does not foresee it). Both optimisers are exact: best-of-n by order statistics over
the sorted actions, RL's optimum as the exponential tilt exp(s proxy). So the true curve and its peak are known.
First part: 100 cases with one reply each, or 400 with 4, are measured, and the fit sees the curve up to several
distances; each measurement is repeated, and what the fit says is counted. Second part, coverage: tasks drawn at
random, in which the 90 % interval of the peak, where one is named, should hold the true one in 85 to 95 %. Four kinds
of task, a quarter each: curves of the two forms (cases with coefficients and noise of their own), and Student-t tasks,
best-of-n, with fresh replies at every n or with one set of 256 replies a case for all n. The form is not true of the
Student-t tasks.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gnomon.core.seeds import stream
from gnomon.core.stats import wilson
from gnomon.limits import best_of_n, fits

ACTIONS, SEEN, EDGE = 200_000, (1.1, 1.4, 1.6, 2.0, 2.5, 3.0), 4.2
SIZES = {"100 x 1": (100, 1), "400 x 4": (400, 4)}
ERRORS = {"gaussian": "Gaussian error", "student": "Student-t error, 3 df", "hack": "0.3 % hacks"}
FORMS = {"best_of_n": "best-of-n", "rl": "exponential tilt"}
KINDS = ("best_of_n", "rl", "student, fresh replies", "student, one set of replies")
TILTS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.25, 1.5, 1.8, 2.1, 2.4, 2.7, 3)
GRID = (0.0, *(math.sqrt(best_of_n.kl_bound(2**k)) for k in range(1, 11)))


@dataclass(frozen=True)
class Place:
    """A point of the exact curve."""

    distance: float
    gold: float
    above: np.ndarray
    """Cumulative probability of the actions, sorted by proxy."""


def actions(error: str, rng: np.random.Generator, count: int = ACTIONS, scale: float = 1.0) -> tuple:
    """Proxy and gold of every action, sorted by proxy."""
    gold = rng.normal(size=count)
    wrong = scale * rng.standard_t(3, size=count) if error == "student" else rng.normal(size=count)
    proxy = gold + (0.6 * wrong if error == "hack" else wrong)
    if error == "hack":
        hacks = rng.random(count) < 0.003
        proxy[hacks] += 3
        gold[hacks] -= 3
    order = np.argsort(proxy)
    return proxy[order], gold[order]


def place(share: np.ndarray, gold: np.ndarray) -> Place:
    """Distance and gold of a policy over equally likely actions."""
    some = share[share > 0]
    divergence = float(some @ np.log(some * len(share)))
    distance = math.sqrt(divergence) if divergence > 1e-12 else 0.0  # rounding leaves the start a hair away from itself
    return Place(distance, float(share @ gold), np.cumsum(share))


def best(gold: np.ndarray, n: float) -> Place:
    """Exact best-of-n."""
    return place(np.diff((np.arange(len(gold) + 1) / len(gold)) ** n), gold)


def tilt(proxy: np.ndarray, gold: np.ndarray, distance: float) -> Place:
    """The exponential tilt at a distance, its strength by bisection."""
    low, high = 0.0, 20.0
    for _ in range(30):
        strength = (low + high) / 2
        share = np.exp(strength * (proxy - proxy[-1]))
        share /= share.sum()
        here = place(share, gold)
        low, high = (strength, high) if here.distance < distance else (low, strength)
    return here


def places(form: str, proxy: np.ndarray, gold: np.ndarray) -> tuple[list[Place], list[Place]]:
    """A fine curve for the truth, and the points that are measured."""
    if form == "rl":
        start = best(gold, 1)
        steps = [*range(1, 21), *range(22, 61, 2), *range(64, 121, 4)]  # in 1/40, finer near the start
        fine = [start] + [tilt(proxy, gold, step / 40) for step in steps]
        return fine, [p for p in fine if any(abs(p.distance - d) < 1e-3 for d in TILTS)]
    fine = [best(gold, n) for n in sorted({round(1.15**k) for k in range(70)})]
    return fine, [best(gold, 2**k) for k in range(15)]


def measured(points: list[Place], gold: np.ndarray, size: str, rng: np.random.Generator) -> np.ndarray:
    """Mean gold of every case's replies at every point."""
    drawn = [np.searchsorted(p.above, rng.random(SIZES[size]) * p.above[-1]) for p in points]
    return np.stack([gold[np.minimum(i, len(gold) - 1)].mean(axis=1) for i in drawn])


def short(found: fits.Fit) -> str:
    """The kind of a refusal."""
    return next((k for k in ("too few", "does not fit", "'no peak'", "beyond", "nearer") if k in found.reason), "")


def numbers(estimate) -> list | None:
    return [estimate.value, estimate.low, estimate.high] if estimate else None


def sayings(seed: int, repeats: int) -> list[dict]:
    """What the fit says of every task, optimiser and distance seen."""
    rows = []
    for error in ERRORS:
        proxy, gold = actions(error, np.random.default_rng(stream(seed, error)))
        for form in FORMS:
            fine, points = places(form, proxy, gold)
            heights = [p.gold - fine[0].gold for p in fine]
            peak = fine[int(np.argmax(heights))].distance if np.argmax(heights) < len(fine) - 1 else None
            curve = {"distance": [p.distance for p in fine], "gold": heights, "peak": peak}
            rng = np.random.default_rng(stream(seed, error, form))
            sets = {size: [measured(points, gold, size, rng) for _ in range(repeats)] for size in SIZES}
            seen = [s for s in SEEN if sum(p.distance <= s for p in points) > fits.POINTS]
            said = [saying(form, s, size, points, sets[size], peak, fine) for size in SIZES for s in seen]
            change = sets["400 x 4"][0] - sets["400 x 4"][0][0]
            shown = {"distance": [p.distance for p in points], "gold": change.mean(axis=1).tolist()}
            shown["error"] = (change.std(axis=1) / math.sqrt(change.shape[1])).tolist()
            rows.append({"error": error, "optimiser": form, "curve": curve, "measured": shown, "said": said})
    return rows


def saying(form: str, upto: float, size: str, points: list, sets: list, peak: float | None, fine: list) -> dict:
    """What the fit says in each repetition, when it sees the points up to a distance; the first in full."""
    near = [i for i, p in enumerate(points) if p.distance <= upto]
    distance, clusters = [points[i].distance for i in near], [str(c) for c in range(SIZES[size][0])]
    found = [
        fits.fit(distance_P=distance, gold_PC=g[near], clusters_C=clusters, form=form, draws=500, seed=i)
        for i, g in enumerate(sets)
    ]
    named = [f for f in found if f.peak]
    held = sum(peak is not None and f.peak.low <= peak <= f.peak.high for f in named)
    # Gold given away by stopping at the peak that is named, as a share of the highest gold.
    height = np.interp([f.peak.value for f in named], [p.distance for p in fine], [p.gold - fine[0].gold for p in fine])
    top = max(p.gold for p in fine) - fine[0].gold
    exact, *_ = np.linalg.lstsq(
        fits.terms(form, distance), np.array([points[i].gold - points[0].gold for i in near]), rcond=None
    )
    first = found[0]
    return {
        "seen": upto,
        "size": size,
        "repeats": len(sets),
        "named": len(named),
        "named and true": held,
        "refused": {k: sum(short(f) == k for f in found) for k in sorted({short(f) for f in found} - {""})},
        "largest share of gold given away": float(1 - height.min() / top) if named else None,
        "a": numbers(first.a),
        "b": numbers(first.b),
        "peak": numbers(first.peak),
        "reason": first.reason,
        "rmse": numbers(first.misfit.rmse),
        "expected": numbers(first.misfit.expected),
        "reach": first.reach,
        "peak of the form on the true curve, unguarded": _unguarded(form, *exact),
    }


def _unguarded(form: str, a: float, b: float) -> float | None:
    if b <= 0:
        return None
    top = a / (2 * b) if form == "best_of_n" else math.exp(min(a / b - 1, 50))
    return top if top < 1e4 else None


def formed(form: str, cases: int, rng: np.random.Generator) -> tuple:
    """A curve of a form with its peak inside or a little beyond the grid, and noisy cases."""
    a, top, noise = rng.uniform(0.4, 1.2), rng.uniform(0.8, 2.6), rng.uniform(0.3, 1.0)
    b = a / (2 * top) if form == "best_of_n" else a / (1 + math.log(top))
    own_C2 = np.array([a, b]) * (1 + 0.3 * rng.normal(size=(cases, 2)))
    gold_PC = fits.terms(form, GRID) @ own_C2.T
    return GRID, gold_PC + rng.normal(size=cases) + noise * rng.normal(size=gold_PC.shape), top


def student(fresh: bool, cases: int, rng: np.random.Generator) -> tuple:
    """A Student-t task of 50,000 actions of its own, measured by best-of-n up to 256."""
    _, gold = actions("student", rng, 50_000, rng.uniform(0.8, 1.2))
    ladder = np.geomspace(4, 150, 60)
    below = np.arange(len(gold) + 1) / len(gold)
    heights = [float(np.diff(below**n) @ gold) for n in ladder]
    top = best(gold, ladder[int(np.argmax(heights))]).distance
    ns = np.array(best_of_n.grid(256))
    if fresh:
        chosen = len(gold) * rng.random((len(ns), cases)) ** (1 / ns)[:, None]
        gold_PC = gold[chosen.astype(int)]
    else:
        weight_PN = np.stack([best_of_n.weights(list(range(256)), int(n)) for n in ns])
        gold_PC = weight_PN @ gold[np.sort(rng.integers(0, len(gold), (cases, 256)), axis=1)].T
    return GRID[: len(ns)], gold_PC, top


def coverage(seed: int, tasks: int) -> list[dict]:
    """Whether a peak is named and its interval holds the true one, for tasks of every kind."""
    rows = []
    for kind in KINDS:
        form, student_t = ("rl" if kind == "rl" else "best_of_n"), kind.startswith("student")
        for task in range(tasks):
            rng = np.random.default_rng(stream(seed, kind, task))
            cases = int(rng.choice([100, 200, 400]))
            made = student("fresh" in kind, cases, rng) if student_t else formed(form, cases, rng)
            found = fits.fit(
                distance_P=made[0], gold_PC=made[1], clusters_C=[str(c) for c in range(cases)], form=form, seed=task
            )
            held = bool(found.peak and found.peak.low <= made[2] <= found.peak.high)
            row = {"kind": kind, "cases": cases, "truth": made[2], "peak": numbers(found.peak), "holds": held}
            rows.append(row | {"refused": short(found)})
    return rows


def covered(rows: list[dict]) -> dict:
    """Share of named peaks whose interval holds the truth, and how often one was named."""
    named = [r for r in rows if r["peak"]]
    refused = {k: sum(r["refused"] == k for r in rows) for k in sorted({r["refused"] for r in rows} - {""})}
    said = {"tasks": len(rows), "named": len(named), "refused": refused}
    if named:
        share = wilson(sum(r["holds"] for r in named), len(named))
        said |= {"holds the truth": share.value, "low": share.low, "high": share.high}
        said["median width"] = float(np.median([r["peak"][2] - r["peak"][1] for r in named]))
    return said


def findings(rows: list[dict], tasks: list[dict]) -> dict:
    """What the numbers say, computed, not written."""
    by = {(r["error"], r["optimiser"]): r for r in rows}
    found = {}
    for (error, form), row in by.items():
        said = {z: {s["seen"]: [s["named"], s["named and true"]] for s in row["said"] if s["size"] == z} for z in SIZES}
        found[f"{error}, {form}: true peak; named, named and true, by size and distance seen"] = [
            row["curve"]["peak"],
            said,
        ]
    found["fits a cell"] = rows[0]["said"][0]["repeats"]
    flat = [s for (e, _), r in by.items() if e == "gaussian" for s in r["said"]]
    found["peaks invented for the Gaussian error"] = numbers(
        wilson(sum(s["named"] for s in flat), sum(s["repeats"] for s in flat))
    )
    hacks = [(s, r["curve"]["peak"]) for (e, _), r in by.items() if e == "hack" for s in r["said"]]
    for name, some in (
        ("before the true one was passed", [s for s, peak in hacks if s["seen"] < peak]),
        ("after that", [s for s, peak in hacks if s["seen"] >= peak]),
    ):
        lost = [s["largest share of gold given away"] for s in some if s["named"]]
        found[f"peaks named for hacks {name}: named, true, of fits; largest share of gold given away"] = [
            sum(s["named"] for s in some),
            sum(s["named and true"] for s in some),
            sum(s["repeats"] for s in some),
            max(lost, default=None),
        ]
    found["peak of the quadratic on the true curve to 1.6, unguarded"] = {
        e: next(s for s in by[e, "best_of_n"]["said"] if s["seen"] == 1.6)[
            "peak of the form on the true curve, unguarded"
        ]
        for e in ERRORS
    }
    found["coverage"] = {k: covered([r for r in tasks if r["kind"] == k]) for k in KINDS}
    found["coverage, a quarter of each kind"] = covered(tasks)
    found["coverage by cases"] = {c: covered([r for r in tasks if r["cases"] == c]) for c in (100, 200, 400)}
    return found


def draw(rows: list[dict], path: Path) -> None:
    """Above: gold against distance. Below: what the fit says when it sees the curve up to a distance."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update(
        {"svg.hashsalt": "gnomon", "font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure = plt.figure(figsize=(13, 10))
    grid = figure.add_gridspec(5, 3, height_ratios=(3, 1.5, 0.35, 3, 1.5), hspace=0.12, wspace=0.16)
    shades = dict(zip(SEEN, ("#fdd0a2", "#fdae6b", "#e6550d", "#9ecae1", "#4292c6", "#084594"), strict=True))
    for row in rows:
        column, line = list(ERRORS).index(row["error"]), 3 * list(FORMS).index(row["optimiser"])
        upper = figure.add_subplot(grid[line, column])
        lower = figure.add_subplot(grid[line + 1, column], sharex=upper)
        curves(upper, row, shades)
        refusals(lower, row, shades)
        upper.set_title(f"{FORMS[row['optimiser']]}: {ERRORS[row['error']]}", loc="left")
        upper.tick_params(labelbottom=False)
        if not line:
            lower.tick_params(labelbottom=False)
        if column == 0:
            upper.set_ylabel("gold above the start")
            lower.set_ylabel("seen up to")
        lower.set_xlabel("distance, sqrt(nats)" if line else "")
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def curves(axes, row: dict, shades: dict) -> None:
    """The true curve, one measurement of 400 x 4 and its fits, each to its reach; dotted where no peak is named."""
    axes.plot(row["curve"]["distance"], row["curve"]["gold"], color="black", lw=1, label="true")
    shown = row["measured"]
    bars = [1.645 * e for e in shown["error"]]
    axes.errorbar(shown["distance"], shown["gold"], yerr=bars, fmt="o", ms=3, color="black", lw=1, label="measured")
    for s in (s for s in row["said"] if s["size"] == "400 x 4"):
        d = np.linspace(0, min(s["reach"], 3.6), 80)
        y = fits.terms(row["optimiser"], d) @ np.array([s["a"][0], s["b"][0]])
        style = "-" if s["peak"] else ":"
        axes.plot(d, y, style, color=shades[s["seen"]], lw=1.4, label=f"fit to {s['seen']}")
        if s["peak"]:
            axes.plot(s["peak"][0], np.interp(s["peak"][0], d, y), "v", color=shades[s["seen"]], ms=6)
    heights = row["curve"]["gold"]
    axes.set_ylim(min(-0.3, min(heights) - 0.2), 1.35 * max(heights) + 0.2)
    axes.set_xlim(0, EDGE)
    if row["curve"]["peak"]:
        axes.axvline(row["curve"]["peak"], color="grey", lw=0.8, ls="--")
    if row["error"] == "gaussian" and row["optimiser"] == "best_of_n":
        axes.legend(frameon=False, fontsize=7.5, loc="lower right", ncols=2)


def refusals(axes, row: dict, shades: dict) -> None:
    """For every distance seen: a bar up to it, the peak or the reason for none with 400 x 4, and how often one is."""
    words = {"does not fit": "does not fit", "'no peak'": "may have no peak", "beyond": "peak may lie beyond"}
    words["nearer"] = "peak before first point"
    large = [s for s in row["said"] if s["size"] == "400 x 4"]
    small = [s for s in row["said"] if s["size"] == "100 x 1"]
    for y, (s, few) in enumerate(zip(large, small, strict=True)):
        axes.barh(-y, s["seen"], height=0.6, color=shades[s["seen"]], alpha=0.35)
        if s["peak"]:
            value, low, high = s["peak"]
            axes.errorbar([value], [-y], xerr=[[value - low], [high - value]], fmt="v", ms=5, color="black", capsize=2)
        text = "peak named" if s["peak"] else next(f"refused: {w}" for k, w in words.items() if k in s["reason"])
        axes.annotate(text, (0.04, -y), va="center", fontsize=7.5)
        axes.annotate(f"{few['named']} | {s['named']}", (EDGE, -y), va="center", ha="right", fontsize=7.5)
    head = f"named of {large[0]['repeats']}, 100 x 1 | 400 x 4"
    axes.annotate(head, (EDGE, 0.85), va="center", ha="right", fontsize=7.5)
    if row["curve"]["peak"]:
        axes.axvline(row["curve"]["peak"], color="grey", lw=0.8, ls="--")
    axes.set_yticks([-y for y in range(len(large))], [f"{s['seen']:g}" for s in large])
    axes.set_ylim(-len(large) + 0.4, 1.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repetitions and tasks; nothing is written")
    parser.add_argument("--json", action="store_true", help="print the findings as one line")
    parser.add_argument("--seed", type=int, default=2026, help="another seed for trying things out; nothing is written")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "experiments")
    parser.add_argument("--redraw", action="store_true", help="only draw the results that are written")
    given = parser.parse_args()
    file = given.out / "limits_synthetic.json"
    if given.redraw:
        draw(json.loads(file.read_text())["sayings"], file.with_suffix(".svg"))
        return
    rows, tasks = sayings(given.seed, 5 if given.quick else 40), coverage(given.seed, 20 if given.quick else 200)
    found = findings(rows, tasks)
    if not given.quick and given.seed == parser.get_default("seed"):
        setting = {"actions": ACTIONS, "cases x replies": list(SIZES), "confidence": 0.9, "seed": given.seed}
        result = {"setting": setting, "findings": found, "sayings": rows, "coverage": tasks}
        file.write_text(json.dumps(result, indent=1) + "\n")
        draw(rows, file.with_suffix(".svg"))
    print(json.dumps(found) if given.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
