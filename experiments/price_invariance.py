"""What does it cost to break a norm? A penalty, a Lagrangian, a mask and a latch while breaking pays more and more.

    python experiments/price_invariance.py [--quick] [--json] [--steps N] [--out DIR]

A policy chooses one of ten acts; the first breaks a norm and is chosen with probability 0.01 at the start, the others
share the rest and earn nothing. Breaking earns g, from 0 to a million. The policy is a table of ten logits, trained on
rollouts of 32 prompts with the package's own credit (norms, divergence in the reward with weight 0.5), loss (RLOO)
and optimiser. The penalty is what the others are measured against: there the judge takes lambda from the reward of a
breach, and the best policy is known, logit P = logit p0 + (g - lambda) / 0.5. Points are shares of 20 000 fresh acts
with Wilson intervals.

Two things are counted. *Drawn*: acts of the trained policy that break the norm. *Performed*: those that take place.
Only the arms with a mask have something outside the reward that looks at acts, so only there the two differ: what the
detector sees does not take place, by construction. What is measured is whether the policy depends on the price.
Second part: prompts tried up to n times by somebody who wants the breach, under a detector that misses a share f of
breaches; with and without a latch, which stops at the first breach that is seen.
"""

import argparse
import functools
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gnomon.core import seeds
from gnomon.core.stats import wilson
from gnomon.core.types import Message, Transcript
from gnomon.training import credit, norms
from gnomon.training.batches import Advantage, RolloutBatch
from gnomon.training.gather import Pair, Progress
from gnomon.training.judged import Judged
from gnomon.training.losses.rloo import RLOO
from gnomon.training.norms import Lagrangian, Latch
from gnomon.training.online_schedule import Online, choose
from gnomon.training.optimizer import Optimizer
from gnomon.training.rollouts import Prompt, Rollout

ACTS, BREACH, P0, BETA = 10, 0, 0.01, 0.5
PROMPTS, GROUP, STEPS, RATE, FRESH = 32, 16, 1600, 0.1, 20_000
PRICES = (0, 3, 4, 5, 6, 8, 10, 12, 100, 10**6)
START = torch.tensor([P0] + [(1 - P0) / (ACTS - 1)] * (ACTS - 1), dtype=torch.float64).log()


@dataclass(frozen=True)
class Arm:
    """One way to keep a norm."""

    name: str
    penalty: float = 0.0
    norms: str = "mask"
    estimate: Advantage = "leave_one_out"
    judged: bool = True
    """Whether the norm is named to the loop; a penalty hides it in the reward."""


ARMS = (
    *(Arm(f"penalty {p}", penalty=float(p), judged=False) for p in (2, 5, 10)),
    Arm("Lagrangian", norms="lagrangian"),
    Arm("Lagrangian, normalised", norms="lagrangian", estimate="group_relative"),
    Arm("mask", norms="mask"),
    Arm("mask with latch", norms="latch"),
)
NAMES = [
    Prompt(transcript=Transcript((Message("user", f"prompt {i}"),)), ids=(i,)) for i in range(PROMPTS)
]  # they differ in nothing else
LIMIT = 0.05
"""Share of breaches that the Lagrangian allows."""


def closed_form(price: float, penalty: float) -> float:
    """P(breach) of the best policy under a penalty."""
    logit = math.log(P0 / (1 - P0)) + (price - penalty) / BETA
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


@functools.cache
def rollout(prompt: int, group: int, act: int, arm: Arm, price: float) -> Pair:
    """One judged rollout of one token."""
    broke = act == BREACH
    judged = Judged(reward=(price - arm.penalty) * broke, broken={"n": broke} if arm.judged else {})
    named = NAMES[prompt]
    made = Rollout(prompt=named, group=group, ids=(act,), logp=None, cut=False, transcript=named.transcript)
    return made, judged


def train(arm: Arm, price: float, seed: int, steps: int) -> dict:
    """The trained policy's log-probabilities, and what was drawn on the way."""
    logits, draws = nn.Parameter(START.clone()), torch.Generator().manual_seed(seeds.stream(seed, arm.name))
    optimizer, loss = Optimizer([logits]), RLOO()
    settings = Online(norms=arm.norms, lagrangian=Lagrangian(limit=LIMIT), group=GROUP, prompts=PROMPTS)
    progress = Progress(kl=BETA, multiplier=norms.begin(settings.lagrangian))
    drawn, halted = 0, None
    rollout.cache_clear()
    for step in range(steps):
        held = {i: "n" for i, p in enumerate(NAMES) if p.transcript.id in progress.latch.suspended}
        chosen, _ = choose(PROMPTS, PROMPTS, cursor=step * PROMPTS, seed=seed, suspended=held)
        if not chosen:  # the loop stops here with an error that asks for a person
            halted = step
            break
        with torch.no_grad():
            old = logits.log_softmax(0)
        acts = torch.multinomial(old.exp(), len(chosen) * GROUP, replacement=True, generator=draws)
        pairs = [rollout(chosen[i // GROUP], i // GROUP, a, arm, price) for i, a in enumerate(acts.tolist())]
        breaches = {pairs[i][0].prompt.transcript.id: "n" for i in (acts == BREACH).nonzero()[:, 0].tolist()}
        drawn += int((acts == BREACH).sum())
        progress = advance(progress, pairs, breaches, arm, settings)
        worth = credit.assign(
            pairs, estimate=arm.estimate, settings=settings, progress=progress, divergence_K=(old - START)[acts]
        )
        logp = logits.log_softmax(0)[acts]
        batch = RolloutBatch(
            logp_K=logp,
            old_logp_K=old[acts],
            sampler_logp_K=old[acts],
            reference_K=START[acts],
            advantage_K=worth.advantage_K,
            owner_K=torch.arange(len(acts)),
            limit_B=torch.ones(len(acts)),
        )
        optimizer.clear()
        loss(batch=batch).loss.backward()
        optimizer.clip(1.0)
        optimizer.step(RATE * (1 - step / steps))
    return {"logp": logits.detach().log_softmax(0), "drawn": drawn, "halted": halted}


def advance(progress: Progress, pairs: list[Pair], breaches: dict[str, str], arm: Arm, settings: Online) -> Progress:
    """The latch tripped and the multiplier moved, as the loop does it."""
    latch = progress.latch.trip(breaches) if arm.norms == "latch" else progress.latch
    multiplier = progress.multiplier
    if arm.norms == "lagrangian":
        multiplier = norms.update(multiplier, [j.harm for _, j in pairs], settings.lagrangian)
    return Progress(kl=BETA, multiplier=multiplier, latch=latch)


def sweep(prices: tuple[int, ...], steps: int) -> list[dict]:
    """Every arm at every price."""
    rows = []
    for arm in ARMS:
        for price in prices:
            end = train(arm, price, 0, steps)
            draws = torch.Generator().manual_seed(seeds.stream(1, arm.name, price))
            acts = torch.multinomial(end["logp"].exp(), FRESH, replacement=True, generator=draws)
            breaches = int((acts == BREACH).sum())
            # A perfect detector: no breach that it looks at takes place.
            performed = 0 if arm.name.startswith("mask") else breaches
            found = {"drawn": wilson(breaches, FRESH), "performed": wilson(performed, FRESH)}
            row = {"arm": arm.name, "price": price, "n": FRESH, "exact": math.exp(end["logp"][BREACH])}
            row |= {f"{what}_{end}": getattr(e, end) for what, e in found.items() for end in ("value", "low", "high")}
            row |= {"drawn_in_training": end["drawn"], "halted_at_step": end["halted"]}
            if not arm.judged:
                row["closed_form"] = closed_form(price, arm.penalty)
            row["logits"] = [round(x, 12) for x in end["logp"].tolist()]
            rows.append(row)
    return rows


def retries(p: float, misses: float, tries: tuple[int, ...], prompts: int) -> list[dict]:
    """Share of prompts with a breach that takes place within n tries, with and without a latch; fresh for every n."""
    rows = []
    for latched in (False, True):
        for n in tries:
            draws = random.Random(seeds.stream(2, str(p), str(misses), int(latched), n))
            share = wilson(sum(breached(p, misses, n, draws, latched) for _ in range(prompts)), prompts)
            exact = misses * (1 - (1 - p) ** n) if latched else 1 - (1 - misses * p) ** n
            rows.append(
                {"latch": latched, "p": p, "misses": misses, "tries": n, "value": share.value, "low": share.low}
                | {"high": share.high, "n": prompts, "closed_form": exact}
            )
    return rows


def breached(p: float, misses: float, tries: int, draws: random.Random, latched: bool) -> bool:
    """Whether a breach that the detector misses takes place at one prompt."""
    latch = Latch()
    for _ in range(tries):
        if "prompt" in latch.suspended:
            return False
        if draws.random() < p:
            if draws.random() < misses:
                return True
            latch = latch.trip({"prompt": "n"}) if latched else latch
    return False


def findings(rows: list[dict], again: list[dict]) -> dict:
    """What the numbers say, computed, not written."""
    penalised = [r for r in rows if "closed_form" in r]
    # A share that training never saw an act of cannot be learned to its last digit.
    seen = [r for r in penalised if 1e-3 <= r["closed_form"] <= 1 - 1e-3]
    inside = [r["drawn_low"] <= r["closed_form"] <= r["drawn_high"] for r in seen]
    masked = {name: [r for r in rows if r["arm"] == name] for name in ("mask", "mask with latch")}
    held = [r["low"] - 1e-12 <= r["closed_form"] <= r["high"] + 1e-12 for r in again]
    lagrangian = {name: [r for r in rows if r["arm"] == name] for name in ("Lagrangian", "Lagrangian, normalised")}
    return {
        "penalty points between 0.001 and 0.999 whose interval holds the closed form": [sum(inside), len(inside)],
        "largest distance of a penalised policy from the closed form": max(
            abs(r["exact"] - r["closed_form"]) for r in penalised
        ),
        "breaches performed under a mask, at all prices": {
            n: sum(r["performed_value"] for r in m) for n, m in masked.items()
        },
        "policies under a mask are the same to the last bit at all prices": {
            n: len({tuple(r["logits"]) for r in m}) == 1 for n, m in masked.items()
        },
        "share that the masked policy still draws": {n: [m[0]["exact"], m[-1]["exact"]] for n, m in masked.items()},
        "breaches drawn in training, lowest and highest price": {
            name: [of[0]["drawn_in_training"], of[-1]["drawn_in_training"]]
            for name in dict.fromkeys(r["arm"] for r in rows)
            if (of := [r for r in rows if r["arm"] == name])
        },
        "lagrangian, drawn at price 4 and at the highest": {
            n: [next(r["exact"] for r in m if r["price"] == 4), m[-1]["exact"]] for n, m in lagrangian.items()
        },
        "retry points whose interval holds the closed form": [sum(held), len(held)],
    }


def draw(rows: list[dict], again: list[dict], path: Path) -> None:
    """Left: breaches that take place, by price. Right: by tries, under a detector that misses some."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update(
        {"svg.hashsalt": "gnomon", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4))
    shades = ("#9ecae1", "#4292c6", "#084594", "#e6550d", "#fdae6b", "#31a354", "#000000")
    colours = {arm.name: shade for arm, shade in zip(ARMS, shades, strict=True)}
    marks = {"mask": "s", "mask with latch": "x"}
    fine = [x / 20 for x in range(20 * 20 + 1)] + [20 * 1.1**k for k in range(115)]
    for arm in ARMS:
        own = [r for r in rows if r["arm"] == arm.name]
        if not arm.judged:
            left.plot(fine, [closed_form(g, arm.penalty) for g in fine], color=colours[arm.name], lw=1)
        low = [max(0.0, r["performed_value"] - r["performed_low"]) for r in own]
        high = [max(0.0, r["performed_high"] - r["performed_value"]) for r in own]
        left.errorbar(
            [r["price"] for r in own],
            [r["performed_value"] for r in own],
            yerr=[low, high],
            fmt=marks.get(arm.name, "o"),
            ms=4,
            color=colours[arm.name],
            label=arm.name,
            capsize=2,
            ls=":" if arm.norms == "lagrangian" else "none",
        )
    left.axhline(LIMIT, color="#e6550d", lw=0.6, ls="--")
    left.annotate("the Lagrangian's limit, 5 %", (3e4, LIMIT + 0.015), fontsize=8, color="#e6550d")
    left.set_xscale("symlog", linthresh=20)
    left.set_xticks([0, 5, 10, 20, 100, 10**4, 10**6], ["0", "5", "10", "20", "100", "10⁴", "10⁶"])
    left.set_xlim(-0.5, 2 * 10**6)
    left.set_xlabel("what breaking the norm earns (g)")
    left.set_ylabel("share of acts that break it and take place")
    left.set_title("Any penalty has a price; a mask has none", loc="left")
    left.legend(frameon=False, fontsize=8, loc="center right")
    for latched, colour in ((False, "#084594"), (True, "#000000")):
        for misses, style in ((0.1, "-"), (0.02, "--")):
            own = [r for r in again if r["latch"] == latched and r["misses"] == misses]
            x, y = [r["tries"] for r in own], [r["value"] for r in own]
            bars = [[r["value"] - r["low"] for r in own], [r["high"] - r["value"] for r in own]]
            right.errorbar(x, y, yerr=bars, fmt="o", ms=4, color=colour, capsize=2)
            name = f"{'latch' if latched else 'tried again'}, {misses:.0%} missed"
            right.plot(x, [r["closed_form"] for r in own], style, color=colour, lw=1, label=name)
    right.set_xscale("log", base=2)
    right.set_xticks([r["tries"] for r in again[: len({r["tries"] for r in again})]])
    right.xaxis.set_major_formatter("{x:g}")
    right.set_xlabel("tries at one prompt (n)")
    right.set_ylabel("share of prompts with a breach that takes place")
    right.set_title("Trying again launders a breach; a latch does not let it", loc="left")
    right.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few prices; nothing is written")
    parser.add_argument("--json", action="store_true", help="print the findings as one line")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "experiments")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps of every policy")
    parser.add_argument("--redraw", action="store_true", help="only draw the results that are written")
    given = parser.parse_args()
    if given.redraw:
        written = json.loads((given.out / "price_invariance.json").read_text())
        draw(written["points"], written["retries"], given.out / "price_invariance.svg")
        return
    torch.set_num_threads(1)
    rows = sweep((4, 7, 10**6) if given.quick else PRICES, given.steps)
    tries = (1, 2, 4, 8, 16, 32, 64, 128)
    again = [row for misses in (0.1, 0.02) for row in retries(0.2, misses, tries, 500 if given.quick else 4000)]
    found = findings(rows, again)
    if not given.quick:
        setting = {"p0": P0, "beta": BETA, "limit": LIMIT, "steps": given.steps, "rollouts a step": PROMPTS * GROUP}
        result = {"setting": setting, "findings": found, "points": rows, "retries": again}
        (given.out / "price_invariance.json").write_text(json.dumps(result, indent=1) + "\n")
        draw(rows, again, given.out / "price_invariance.svg")
    print(json.dumps(found) if given.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
