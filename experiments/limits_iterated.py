"""Does fresh preference data push the limit out, and as far as the RL form claims: k times, for k rounds?

    python experiments/limits_iterated.py [--quick] [--json]

Two worlds. *plain*: actions are points in 16 dimensions, normal at the start; the proxy is a linear Bradley-Terry
model, so its exponential tilt is a normal around another mean, exact, with no end to the distance; N = 400 labels.
*discrete*: 20 000 actions in 6 dimensions, a Bradley-Terry model on 64 random ReLU features, the exact tilt over all
actions; N = 120. Gold is a random smooth function (cosines with normal frequencies, so a draw of a Gaussian process),
which a linear proxy cannot hold; in the discrete world one dimension is liked besides, up to 1.5, and punished beyond.
Labels: gold decides a pair with P = sigmoid(2 x difference). Proxies are fitted by MAP with a standard normal prior.
Sizes and golds were chosen by the curve of one round alone, so that it has a peak in range.
In k rounds the pairs of a round are drawn from the policy where the last one ended. Every d is a run of its own:
*afresh*, a usual practice: N labels in all, N/k a round; the proxy is fitted on all pairs so far and tilts the START
anew, in round j to distance j d / k;
*onward*: N labels in all; the proxy is fitted on this round's pairs alone and tilts the last policy, to the same
distances;
*steps*, what the form assumes: N labels in EVERY round, each round a step of d / k from the last policy, d the steps
added up (the true distance from the start is less and is reported); its control is one round with k N labels.
Intervals are 95 %, by bootstrap over tasks (seeds), paired.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from gnomon.core import seeds
from gnomon.core.types import Estimate
from gnomon.limits import fits
from gnomon.limits.compare import Curve, at_equal, difference_at_equal

LABELS = {"plain": 400, "discrete": 120}
TASKS = {"plain": 100, "discrete": 40}
ROUNDS, DRAWS, SHARP, WAVES = (1, 2, 4), 2000, 2.0, 300
FULL = {"plain": 14.0, "discrete": 2.5}
"""Furthest distance of each world."""
STEPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Distances as shares of the furthest."""
COARSE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Those at which several rounds are run: half and a quarter of most of them are among the others."""
WAYS = ("afresh", "onward", "steps")


@dataclass(frozen=True, kw_only=True)
class World:
    """How policies are drawn from, tilted and measured; a policy is whatever these agree on."""

    start: np.ndarray
    pairs: Callable
    """(policy, count, generator) -> features of the action that the label preferred less those of the other."""
    tilted: Callable
    """(policy, weights, distance, origin) -> that policy tilted along the proxy until it is so far from the origin."""
    gold: Callable
    """policy -> expected gold."""
    far: Callable
    """(policy, origin) -> sqrt of the KL between them."""


def waves(rng: np.random.Generator, dimensions: int, length: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        rng.normal(size=(WAVES, dimensions)) / length,
        rng.uniform(0, 2 * math.pi, WAVES),
        rng.normal(size=WAVES) * math.sqrt(2 / WAVES),
    )


def preferred(one_NF: np.ndarray, two_NF: np.ndarray, change_N: np.ndarray, chance_N: np.ndarray) -> np.ndarray:
    """Differences of features, turned round where the label prefers the second."""
    return (one_NF - two_NF) * np.where(chance_N < expit(SHARP * change_N), 1.0, -1.0)[:, None]


def plain(seed: int) -> World:
    rng = np.random.default_rng(seeds.stream(seed, "plain"))
    size, (way_WF, phase_W, height_W) = 16, waves(rng, 16, 4.0)
    damped_W = height_W * np.exp(-(way_WF**2).sum(axis=1) / 2)  # the mean of a cosine over a unit normal

    def pairs(mean, count, rng):
        # One row a pair, so that fewer pairs are the first of more.
        drawn = rng.normal(size=(count, 2, size)) + mean
        one_N, two_N = (np.cos(drawn[:, i] @ way_WF.T + phase_W) @ height_W for i in (0, 1))
        return preferred(drawn[:, 0], drawn[:, 1], one_N - two_N, rng.random(count))

    def tilted(mean, weights, distance, origin):
        off = mean - origin
        across, square = off @ weights, weights @ weights
        return mean + weights * (math.sqrt(across**2 + square * (2 * distance**2 - off @ off)) - across) / square

    def gold(mean):
        return float(np.cos(way_WF @ mean + phase_W) @ damped_W - np.cos(phase_W) @ damped_W)

    return World(
        start=np.zeros(size),
        pairs=pairs,
        tilted=tilted,
        gold=gold,
        far=lambda mean, origin: float(np.linalg.norm(mean - origin)) / math.sqrt(2),
    )


def discrete(seed: int) -> World:
    rng = np.random.default_rng(seeds.stream(seed, "discrete"))
    actions, size, count_features = 20_000, 6, 64
    place_AD, (way_WD, phase_W, height_W) = rng.normal(size=(actions, size)), waves(rng, 6, 2.0)
    gold_A = np.cos(place_AD @ way_WD.T + phase_W) @ height_W
    gold_A += 2 * place_AD[:, 0] - 8 * np.maximum(place_AD[:, 0] - 1.5, 0) ** 2
    gold_A = (gold_A - gold_A.mean()) / gold_A.std()
    way_DF = rng.normal(size=(size, count_features))
    way_DF /= np.linalg.norm(way_DF, axis=0)
    feature_AF = np.maximum(place_AD @ way_DF + rng.uniform(-1, 1, count_features), 0)
    feature_AF = (feature_AF - feature_AF.mean(axis=0)) / feature_AF.std(axis=0)

    def pairs(policy, count, rng):
        chance = rng.random((count, 3))
        edges = np.exp(policy).cumsum()
        one, two = (np.minimum(np.searchsorted(edges, chance[:, i]), actions - 1) for i in (0, 1))
        return preferred(feature_AF[one], feature_AF[two], gold_A[one] - gold_A[two], chance[:, 2])

    def normalised(policy):
        policy = policy - policy.max()
        return policy - math.log(np.exp(policy).sum())

    def far(policy, origin):
        return math.sqrt(max(float(np.exp(policy) @ (policy - origin)), 0.0))

    def tilted(policy, weights, distance, origin):
        proxy_A = feature_AF @ weights
        proxy_A /= proxy_A.std()

        def short(t):
            return far(normalised(policy + t * proxy_A), origin) - distance

        high = 1.0
        while short(high) < 0:
            high *= 2
        return normalised(policy + brentq(short, 0, high, xtol=1e-4) * proxy_A)

    return World(
        start=np.full(actions, -math.log(actions)),
        pairs=pairs,
        tilted=tilted,
        gold=lambda policy: float(np.exp(policy) @ gold_A),
        far=far,
    )


WORLDS = {"plain": plain, "discrete": discrete}


def reward_model(difference_NF: np.ndarray) -> np.ndarray:
    """Weights of the Bradley-Terry model with the highest posterior, by Newton's method."""
    weights = np.zeros(difference_NF.shape[1])
    for _ in range(20):
        wrong_N = expit(-difference_NF @ weights)
        slope = difference_NF.T @ wrong_N - weights
        bend = (difference_NF * (wrong_N * (1 - wrong_N))[:, None]).T @ difference_NF + np.eye(len(weights))
        move = np.linalg.solve(bend, slope)
        weights += move
        if np.abs(move).max() < 1e-6:
            break
    return weights


def run(world: World, rounds: int, labels: int, way: str, distances: list[float], seed: int) -> np.ndarray:
    """(gold, distance from the start, steps added up) at each distance; all share the pairs of round one."""

    def fresh(policy, j):
        return world.pairs(policy, labels, np.random.default_rng(seeds.stream(seed, "round", j)))

    start, found = world.start, []
    first = fresh(start, 0)
    weights_1 = reward_model(first)
    for distance in distances:
        step = distance / rounds
        pairs, policy, length = first, world.tilted(start, weights_1, step, start), step
        for j in range(1, rounds):
            before, new = policy, fresh(policy, j)
            if way == "afresh":
                pairs = np.concatenate([pairs, new])
                policy = world.tilted(start, reward_model(pairs), (j + 1) * step, start)
            elif way == "onward":
                policy = world.tilted(before, reward_model(new), (j + 1) * step, start)
            else:
                policy = world.tilted(before, reward_model(new), step, before)
            length += world.far(policy, before)
        found.append((world.gold(policy), world.far(policy, start), length))
    return np.array(found)


def told(estimate: Estimate) -> dict:
    """An estimate as it is written down."""
    return {"value": round(estimate.value, 4), "low": round(estimate.low, 4), "high": round(estimate.high, 4)} | {
        "n": estimate.n
    }


def spread(value: float, drawn: np.ndarray, n: int) -> dict:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": round(float(value), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": n}


def peaks(distances: list[float], gold_DP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place and height of the highest point of each curve, by the parabola through it and its neighbours."""
    x_P, gold_DP = np.array([0.0, *distances]), np.pad(np.atleast_2d(gold_DP), ((0, 0), (1, 0)))
    top_D, row_D = np.argmax(gold_DP, axis=1), np.arange(len(gold_DP))
    mid_D = np.clip(top_D, 1, len(x_P) - 2)
    (x0, x1, x2), (y0, y1, y2) = ([v(mid_D + i) for i in (-1, 0, 1)] for v in (x_P.take, lambda i: gold_DP[row_D, i]))
    bend_D = ((y2 - y1) / (x2 - x1) - (y1 - y0) / (x1 - x0)) / (x2 - x0)
    slope_D = (y1 - y0) / (x1 - x0) + bend_D * (x1 - x0)
    inside_D = (top_D == mid_D) & (bend_D < 0)
    bend_D = np.where(inside_D, bend_D, -1.0)
    return (
        np.where(inside_D, x1 - slope_D / (2 * bend_D), x_P[top_D]),
        np.where(inside_D, y1 - slope_D**2 / (4 * bend_D), gold_DP[row_D, top_D]),
    )


def arms(kind: str, tasks: int) -> dict[tuple[str, int], tuple[list[float], np.ndarray]]:
    """Distances, and what was measured there (tasks x distances x 3), of each way and number of rounds."""
    labels = LABELS[kind]
    fine, coarse = ([round(s * FULL[kind], 6) for s in steps] for steps in (STEPS, COARSE))
    plan = {("one round", 1): (1, labels, "afresh", fine)}
    for k in ROUNDS[1:]:
        plan["afresh", k] = (k, labels // k, "afresh", coarse)
        plan["onward", k] = (k, labels // k, "onward", coarse)
        plan["steps", k] = (k, labels, "steps", coarse)
        plan["one round of k N", k] = (1, k * labels, "afresh", fine)
    made: dict = {key: [] for key in plan}
    for seed in range(tasks):
        world = WORLDS[kind](seed)
        for key, settings in plan.items():
            made[key].append(run(world, *settings, seed))
    return {key: (plan[key][3], np.array(rows)) for key, rows in made.items()}


def measured(kind: str, tasks: int) -> dict:
    made, names = arms(kind, tasks), [f"task {i}" for i in range(tasks)]
    curves = {
        key: Curve(x_P=[0.0, *x], gold_PC=np.pad(found[:, :, 0].T, ((1, 0), (0, 0))), clusters_C=names)
        for key, (x, found) in made.items()
    }
    one = curves["one round", 1]
    again = np.random.default_rng(seeds.stream(0, kind, "draws")).integers(0, tasks, (DRAWS, tasks))
    top = {key: peaks(x, found[:, :, 0].mean(axis=0)) for key, (x, found) in made.items()}
    drawn = {key: peaks(x, found[:, :, 0][again].mean(axis=1)) for key, (x, found) in made.items()}
    fit = fits.fit(distance_P=one.x_P, gold_PC=one.gold_PC, clusters_C=names, form="rl", confidence=0.95)

    def times(key: tuple[str, int], other: tuple[str, int], part: int) -> dict:
        return spread(top[key][part][0] / top[other][part][0], drawn[key][part] / drawn[other][part], tasks)

    entry: dict = {
        "kind": kind,
        "labels": LABELS[kind],
        "fit of one round": {"a": told(fit.a), "b": told(fit.b), "peak": fit.peak and told(fit.peak)}
        | {"refused because": fit.reason, "held-out error": told(fit.misfit.rmse), "reach": round(fit.reach, 3)},
        "arms": [],
    }
    for key, (x, found) in made.items():
        (way, k), own = key, curves[key]
        arm = {
            "way": way,
            "rounds": k,
            "distance": own.x_P,
            "gold": [told(at_equal(curves={"": own}, axis="distance", at=d)[""]) for d in own.x_P],
            "peak at d": spread(top[key][0][0], drawn[key][0], tasks),
            "gold at the peak": spread(top[key][1][0], drawn[key][1], tasks),
            "share of draws whose highest point is the last": float((drawn[key][0] >= x[-1]).mean()),
        }
        if k > 1:
            arm |= {
                "peak, times that of one round": times(key, ("one round", 1), 0),
                "gold at the peak, times that of one round": times(key, ("one round", 1), 1),
                "gold at the peak, times that of one round of k N": times(key, ("one round of k N", k), 1),
            }
        if k > 1 and way != "steps":
            arm["gain at equal d"] = {
                d: told(difference_at_equal(before=one, after=own, axis="distance", at=d)) for d in x
            }
        if way in WAYS:
            claim, share = fits.iterated(fit, k), found[:, :, 1] / found[:, :, 2]
            ratio = Curve(x_P=x, gold_PC=share.T, clusters_C=names)
            arm |= {
                "less k R(d / k)": {d: told(beyond(one, own, k, d)) for d in x},
                "gold that the fitted form claims": {d: told(fits.predict(claim, d)) for d in x},
                "distance from the start, as a share of the steps": {
                    d: told(at_equal(curves={"": ratio}, axis="distance", at=d)[""]) for d in x
                },
            }
        entry["arms"].append(arm)
    return entry


def beyond(one: Curve, own: Curve, k: int, d: float) -> Estimate:
    """Gold of k rounds at d less what the algebra makes of the one round that was measured, whatever its form."""
    claimed = Curve(x_P=[k * x for x in one.x_P], gold_PC=k * one.gold_PC, clusters_C=one.clusters_C)
    return difference_at_equal(before=claimed, after=own, axis="distance", at=d)


def sign(difference: dict, above: str, below: str) -> str:
    """What an interval says."""
    return above if difference["low"] > 0 else below if difference["high"] < 0 else "not told apart"


def claims(worlds: list[dict]) -> dict:
    """Verdict of each way, computed from the intervals."""
    found: dict = {}
    for entry in worlds:
        for arm in entry["arms"]:
            k = arm["rounds"]
            if k == 1:
                continue
            ratio, at_end = arm["peak, times that of one round"], arm["share of draws whose highest point is the last"]
            moved = "moves out" if ratio["low"] > 1 else "moves in" if ratio["high"] < 1 else "not told apart"
            by = "less than k" if ratio["high"] < k else "more than k" if ratio["low"] > k else "k is inside"
            said: dict = {
                "peak": moved,
                "by": f"at least; {at_end:.0%} of draws end the grid" if at_end > 0.025 else by,
            }
            for key, above, below in (("gain at equal d", "better", "worse"), ("less k R(d / k)", "above", "below")):
                if key in arm:
                    said[key] = {d: sign(e, above, below) for d, e in arm[key].items()}
            found[f"{entry['kind']}, {arm['way']}, k = {k}"] = said
    return found


COLOURS = {1: "#000000", 2: "#4292c6", 4: "#e6550d"}


def draw(worlds: list[dict], path: Path) -> None:
    """A row for each world, a column for each way."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update(
        {"svg.hashsalt": "gnomon", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, grid = plt.subplots(len(worlds), 3, figsize=(14, 8), squeeze=False)
    for row, entry in zip(grid, worlds, strict=True):
        for axes, way in zip(row, WAYS, strict=True):
            draw_way(axes, entry, way)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def draw_way(axes, entry: dict, way: str) -> None:
    one = entry["arms"][0]
    for arm in entry["arms"]:
        k, colour = arm["rounds"], COLOURS[arm["rounds"]]
        value, low, high = ([e[end] for e in arm["gold"]] for end in ("value", "low", "high"))
        if arm["way"] in (way, "one round"):
            axes.plot(arm["distance"], value, color=colour, lw=1.6, label=f"{k} round{'s' * (k > 1)}")
            axes.fill_between(arm["distance"], low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(arm["peak at d"]["value"], arm["gold at the peak"]["value"], "o", color=colour, ms=5)
        if arm["way"] == way:
            x, y = ([k * v for v in values] for values in (one["distance"], [e["value"] for e in one["gold"]]))
            axes.plot(x, y, "--", color=colour, lw=1, label=f"claimed: {k} R(d / {k})")
        if arm["way"] == "one round of k N" and way == "steps":
            axes.plot(arm["distance"], value, ":", color=colour, lw=1.4, label=f"1 round, {k} N labels")
    values = [e["value"] for arm in entry["arms"] for e in arm["gold"]]
    axes.set_ylim(min(0.0, *values) - 0.2, 1.75 * max(values))
    axes.set_xlim(0, one["distance"][-1])
    axes.axhline(0, color="#888888", lw=0.6)
    total = f"{entry['labels']} labels " + ("a round" if way == "steps" else "in all")
    axes.set_title(f"{entry['kind']}: {way}, {total}", loc="left")
    axes.set_xlabel("steps added up, √KL each" if way == "steps" else "distance from the start, √KL")
    axes.set_ylabel("gold above the start")
    place = {"loc": "upper right"} if entry["kind"] == "plain" else {"loc": "upper left", "ncol": 2}
    axes.legend(frameon=False, fontsize=8, **place)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="4 tasks a world; nothing is written")
    parser.add_argument("--json", action="store_true", help="write the result and the figure into docs/experiments")
    given = parser.parse_args()
    began = time.perf_counter()
    worlds = [measured(kind, 4 if given.quick else count) for kind, count in TASKS.items()]
    made = {"worlds": worlds, "verdicts": claims(worlds), "seconds": round(time.perf_counter() - began, 1)}
    made = json.loads(json.dumps(made))  # as it is read back: keys are texts
    text = json.dumps(made, indent=1, ensure_ascii=False)
    if given.json and not given.quick:
        folder = Path(__file__).resolve().parent.parent / "docs" / "experiments"
        (folder / "limits_iterated.json").write_text(text + "\n", encoding="utf-8")
        draw(made["worlds"], folder / "limits_iterated.svg")
    else:
        print(text)


if __name__ == "__main__":
    main()
