"""How often does watching gold at every checkpoint stop a run that lost nothing, and how late does it see a loss?

    python experiments/limits_anytime.py [--quick] [--json]

A run has a start and 30 checkpoints; every look sees the same 200 cases. Cases differ in difficulty; the noise of a
case is correlated between looks, more or less. Gold is graded in [0, 1] or right-or-wrong. Null runs keep their mean
gold; falling runs lose 0.02 to 0.2 of mean gold, at once at look 10, or rise by 0.1 up to look 10 and lose it again
in ten even steps. Beside the anytime-valid test stand a one-sided paired t-test repeated at every look at 5 %,
against the start and against the best so far, and both with Bonferroni over the 30 looks (which must know their
number). The anytime-valid test runs with an open end and with 30 looks planned. New cases at every look
(`watch_new_cases`; 30 times as many in all) are a further arm. Delay counts looks from the first loss; a run that
stops before it is a false stop.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from gnomon.core.stats import clopper_pearson
from gnomon.limits.anytime import watch, watch_new_cases

LOOKS, CASES, ALPHA, BEGIN = 30, 200, 0.05, 10
LABELS = ["before", *(f"step-{k}" for k in range(1, LOOKS + 1))]
NULLS = {  # kind of gold, correlation of a case's noise between neighbouring looks
    f"{kind}, correlation {kept}": (kind, kept) for kind in ("graded", "right or wrong") for kept in (0.0, 0.9, 0.99)
}
FALLS = (0.02, 0.05, 0.1, 0.2)
ARMS = ("anytime", "anytime, planned", "new cases", "t, start", "t, best", "Bonferroni, start", "Bonferroni, best")
HERE = Path(__file__).resolve().parents[1] / "docs" / "experiments" / "limits_anytime"


def shape(fall: float, slow: bool) -> np.ndarray:
    """Factor on gold at each look, so that the mean 0.5 (0.4 to 0.5 when rising) falls by `fall`."""
    k = np.arange(LOOKS + 1)
    if not slow:
        return np.where(k >= BEGIN, 1 - 2 * fall, 1.0)
    rise = 0.8 + 0.2 * np.minimum(k, BEGIN - 1) / (BEGIN - 1)
    return rise - 2 * fall * np.clip(k - BEGIN + 1, 0, 10) / 10


def gold_of(rng: np.random.Generator, kind: str, kept: float, factor_PC: np.ndarray) -> np.ndarray:
    """Gold of one run, looks x cases, with mean 0.5 times the factor."""
    looks, cases = factor_PC.shape
    noise = rng.normal(size=(looks, cases))
    for k in range(1, looks):
        noise[k] = kept * noise[k - 1] + math.sqrt(1 - kept**2) * noise[k]
    graded = expit(1.7 * noise + logit(rng.beta(2, 2, size=cases)))
    if kind == "graded":
        return graded * factor_PC
    # Symmetric about 0.5, so the mean is exact; a loss turns right answers wrong, the same ones at every look.
    return ((graded > 0.5) & (rng.random(cases) < factor_PC)).astype(float)


def t_tests(gold_PC: np.ndarray) -> dict[str, np.ndarray]:
    """First look at which a repeated one-sided paired t-test stops, against the start and against the best so far."""
    means = gold_PC.mean(1)
    best = [int(np.argmax(means[:k])) for k in range(1, len(gold_PC))]
    p = {}
    for name, reference in (("start", gold_PC[[0] * (len(gold_PC) - 1)]), ("best", gold_PC[best])):
        drop = reference - gold_PC[1:]
        error = drop.std(1, ddof=1) / math.sqrt(CASES)
        ratio = np.divide(drop.mean(1), error, out=np.zeros(len(drop)), where=error > 0)
        p[name] = student.sf(ratio, CASES - 1)
    levels = {"t": ALPHA, "Bonferroni": ALPHA / LOOKS}
    return {f"{test}, {name}": p[name] < level for test, level in levels.items() for name in p}


def first_stops(count: int, kind: str, kept: float, factor_P: np.ndarray, seed: int) -> dict[str, list[int]]:
    """Per arm, the look at which each run was stopped first; LOOKS + 1 where it never was."""
    stops: dict[str, list[int]] = {arm: [] for arm in ARMS}
    rng = np.random.default_rng([seed, int(kept * 100), len(kind)])
    best_P = np.maximum.accumulate(factor_P)
    pairs_2C = np.repeat(np.stack([best_P[:-1], factor_P[1:]]), CASES, axis=1)  # truly best so far, and now
    for _ in range(count):
        gold = gold_of(rng, kind, kept, np.repeat(factor_P[:, None], CASES, axis=1))
        found = t_tests(gold)
        for arm, planned in (("anytime", None), ("anytime, planned", LOOKS)):
            looks = watch(labels=LABELS, gold_PC=gold, planned=planned)
            found[arm] = np.array([look.stop for look in looks[1:]])
        best, now = gold_of(rng, kind, kept**10, pairs_2C).reshape(2, LOOKS, CASES)
        found["new cases"] = np.array([look.stop for look in watch_new_cases(labels=LABELS[1:], best=best, now=now)])
        for arm in ARMS:
            stops[arm].append(int(np.argmax(found[arm])) + 1 if found[arm].any() else LOOKS + 1)
    return stops


def null(count: int, kind: str, kept: float) -> dict:
    """Share of null runs stopped by each look, with the exact interval."""
    stops = first_stops(count, kind, kept, np.ones(LOOKS + 1), 1)
    report = {}
    for arm, first in stops.items():
        by_look = [clopper_pearson(sum(f <= k for f in first), count) for k in range(1, LOOKS + 1)]
        report[arm] = {
            "stopped": sum(f <= LOOKS for f in first),
            "runs": count,
            "share_by_look": [[e.value, round(e.low, 5), round(e.high, 5)] for e in by_look],
        }
    return report


def falling(count: int, fall: float, slow: bool) -> dict:
    """Share of runs stopped after the loss began, share stopped before, and the delay in looks."""
    stops = first_stops(count, "graded", 0.9, shape(fall, slow), 2)
    report = {}
    for arm, first in stops.items():
        late = np.array([f - BEGIN for f in first if f >= BEGIN])  # never stopped counts as after the last look
        found = clopper_pearson(sum(BEGIN <= f <= LOOKS for f in first), count)
        quarter, median, rest = (
            np.quantile(late, [0.25, 0.5, 0.75], method="higher").tolist() if len(late) else [None] * 3
        )
        never = LOOKS + 1 - BEGIN
        report[arm] = {
            "seen": [found.value, round(found.low, 4), round(found.high, 4)],
            "stopped_before": sum(f < BEGIN for f in first),
            "delay_quartiles": [None if d == never else d for d in (quarter, median, rest)],
        }
    return report


def draw(report: dict) -> None:
    """False stops by look, and the share of runs that are stopped for falls of each size."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "gnomon"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(15, 4.4))
    colours = dict(zip(ARMS, pyplot.get_cmap("tab10").colors, strict=False))
    name = "graded, correlation 0.9"
    for arm, found in report["null"][name].items():
        value, low, high = np.array(found["share_by_look"]).T
        axes[0].plot(range(1, LOOKS + 1), value, color=colours[arm], label=arm)
        axes[0].fill_between(range(1, LOOKS + 1), low, high, color=colours[arm], alpha=0.15)
    axes[0].axhline(ALPHA, color="black", linewidth=0.8, linestyle=":")
    axes[0].set(xlabel="look", ylabel="share of null runs stopped", title=f"false stops ({name})")
    for axis, (title, part) in zip(axes[1:], report["falls"].items(), strict=True):
        for arm in ("anytime", "anytime, planned", "new cases", "Bonferroni, start", "Bonferroni, best"):
            delays = [part[str(fall)][arm]["delay_quartiles"][1] for fall in FALLS]
            points = [(fall, d) for fall, d in zip(FALLS, delays, strict=True) if d is not None]
            if points:
                axis.plot(*zip(*points, strict=True), "o-", color=colours[arm], label=arm)
        axis.set(
            xlabel="loss of mean gold",
            ylabel="median delay, looks",
            title=f"delay, if half are seen: {title}",
            ylim=(-0.5, 21),
        )
    axes[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE.with_suffix(".svg"), metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description="False stops and delay of watching gold at every checkpoint.")
    parser.add_argument("--quick", action="store_true", help="few runs and one kind of null; writes no file")
    parser.add_argument("--json", action="store_true", help="print the whole report as the last line")
    chosen = parser.parse_args()
    began = time.process_time()
    count, falls_count = (60, 20) if chosen.quick else (500, 100)
    report: dict = {"looks": LOOKS, "cases": CASES, "alpha": ALPHA, "falls_begin_at": BEGIN, "null": {}, "falls": {}}
    for name, (kind, kept) in list(NULLS.items())[: 2 if chosen.quick else None]:
        report["null"][name] = null(count, kind, kept)
        for arm, found in report["null"][name].items():
            value, low, high = found["share_by_look"][-1]
            print(f"null, {name:32s} {arm:18s} ever stopped {value:.3f} [{low:.3f}, {high:.3f}]", flush=True)
    for title, slow in (("at once", False), ("rise, then ten steps down", True)):
        report["falls"][title] = {str(fall): falling(falls_count, fall, slow) for fall in FALLS}
        for fall, part in report["falls"][title].items():
            for arm, found in part.items():
                delay = found["delay_quartiles"]
                before = found["stopped_before"]
                print(f"{title:26s} {fall:5s} {arm:18s} seen {found['seen'][0]:.2f}  before {before:3d}  delay {delay}")
    report["cpu_seconds"] = round(time.process_time() - began)
    if not chosen.quick:
        HERE.parent.mkdir(parents=True, exist_ok=True)
        HERE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        draw(report)
    if chosen.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
