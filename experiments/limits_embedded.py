"""Over-optimisation on a real model: best-of-n to 64, DPO and GRPO against learned reward models, with an exact gold.

    python experiments/limits_embedded.py [--quick] [--json]

The embedded model writes one short sentence that contains a word. Gold is exact: half for one whole sentence, half for
the word in it. Four reward models learn from the model's own replies to other prompts, pairs ordered by gold with a
quarter of the labels turned round; each has its own order, adapter and bootstrap of the pairs. Best-of-n ranks 64
replies to each of 36 unseen prompts by one reward model, by the mean, the worst and the uncertainty-weighted of four,
and by one of averaged weights (WARM). DPO takes best and worst of four replies by the one; GRPO its reward, or the
worst of four. Every eighth step is measured: gold, proxy and divergence (k1 on own replies). What the curves carry is
said by the package's own fits, watch and detectors; methods are compared at equal distance. Writes
docs/experiments/limits_embedded.json and .svg.
"""

import argparse
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from vespo_embedded import NEW_THINGS, NEW_TOKENS, NEW_WORDS, OUT, THINGS, WORDS, asked

from gnomon.core import aggregates, plugin, seeds
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import DataError, TrainingError
from gnomon.core.protocols import Quiet, Sampling
from gnomon.core.stats import wilson
from gnomon.core.types import Transcript
from gnomon.limits import anytime, best_of_n, fits, sparse
from gnomon.limits.compare import Curve, difference_at_equal, overlap
from gnomon.models import adapters, logprobs, reward_model
from gnomon.models import load as models
from gnomon.models.adapters import LoRA
from gnomon.models.packing import pack
from gnomon.training import offline, online, reward
from gnomon.training.checkpoint import restore_weights
from gnomon.training.examples import preference_examples
from gnomon.training.judged import Judged
from gnomon.training.online_schedule import Online
from gnomon.training.schedule import Offline
from gnomon.training.warm import average

MEMBERS, NOISE, EVERY, COPIES = 4, 0.25, 8, 4
RULES: dict[str, Callable[[Any], Any]] = {
    "one reward model": lambda score_M: score_M[0],
    "mean of four": aggregates.mean,
    "worst of four": aggregates.worst_case,
    "uncertainty-weighted": partial(aggregates.uncertainty_weighted, strength=0.5),
}


def gold(reply: Transcript) -> float:
    """Half for one whole sentence, half for the word."""
    text, word = reply.reply.strip(), re.escape(reply.expect["contains"][0])
    return (bool(re.fullmatch(r"[^.!?]+[.!?]", text)) + bool(re.search(rf"\b{word}\b", text, re.IGNORECASE))) / 2


def drawn(subject: Any, prompts: Sequence[Transcript], copies: int, seed: int) -> list[list[Transcript]]:
    """Replies to each prompt."""
    sampling = Sampling(temperature=1.0, max_new_tokens=NEW_TOKENS, seed=seed)
    replies = subject.generate(prompts=[p for p in prompts for _ in range(copies)], sampling=sampling)
    return [replies[i : i + copies] for i in range(0, len(replies), copies)]


def pairs(replies: list[list[Transcript]]) -> list[dict[str, Any]]:
    """Up to two pairs a prompt whose golds differ, a quarter of them turned round."""
    draw, found = seeds.generator(0, "labels"), []
    for group in replies:
        ordered = sorted(group, key=gold)
        for low, high in ((ordered[0], ordered[-1]), (ordered[1], ordered[-2])):
            if gold(low) < gold(high) and low.reply.strip() and high.reply.strip():
                first, second = (low, high) if draw.random() < NOISE else (high, low)
                found.append(row(first, second))
    return found


def row(chosen: Transcript, rejected: Transcript) -> dict[str, Any]:
    prompt = to_builtins(chosen.messages[:-1])
    return {"case": chosen.messages[0].content, "prompt": prompt, "chosen": chosen.reply, "rejected": rejected.reply}


def judges(subject: Any, rows: list[dict[str, Any]], place: Path, members: int) -> tuple[list[Any], list[Any]]:
    """Reward models, each from its own bootstrap of the pairs; and what they were measured to be."""
    layers = subject.model.config.num_hidden_layers
    upper = tuple(f"{i}.{n}" for i in range(layers // 2, layers) for n in ("self_attn.q_proj", "self_attn.v_proj"))
    upper += tuple(f"{i}.mlp.{n}" for i in range(layers // 2, layers) for n in ("gate_proj", "up_proj", "down_proj"))
    made, reports = [], []
    for member in range(members):
        draw = seeds.generator(member, "bootstrap")
        chosen = [draw.choice(rows) for _ in rows]
        report = reward.train_and_write(
            subject=subject, examples=preference_examples(chosen, subject), loss=plugin.build("loss", "reward"),
            settings=Offline(epochs=2, batch=16, learning_rate=3e-4, every=1000, seed=member),
            folder=place / f"judge-{member}", work=place / f"work-{member}",
            training=reward.RewardTraining(lora=LoRA(targets=upper), held_out=0.15),
        )  # fmt: skip
        reports.append(report["calibration"])
        made.append(reward_model.load(place / f"judge-{member}"))
        print(f"reward model {member}: {report['last']}", file=sys.stderr, flush=True)
    return made, reports


def scores(members: Sequence[Any], replies: Sequence[Transcript]) -> Any:
    """Standardised rewards, members x replies."""
    return np.stack([member.standardised(replies).double().numpy() for member in members])


def best_of(groups: list[list[Transcript]], score_MN: Any, rules: Any) -> dict[str, dict[str, Any]]:
    """Gold and proxy of the best of n for every rule, by case."""
    size = len(groups[0])
    gold_CN = np.array([[gold(reply) for reply in group] for group in groups])
    grid = best_of_n.grid(size)
    found = {}
    for name, rule in rules.items():
        proxy_CN = np.asarray(rule(score_MN)).reshape(len(groups), size)
        both = [list(zip(proxy_CN.tolist(), gold_CN.tolist(), strict=True))] * len(grid)
        gold_PC = [[best_of_n.expected(p, g, n) for p, g in rows] for n, rows in zip(grid, both, strict=True)]
        proxy_PC = [[best_of_n.expected(p, p, n) for p, _ in rows] for n, rows in zip(grid, both, strict=True)]
        found[f"best-of-n, {name}"] = {
            "labels": [f"n={n}" for n in grid], "kl": [best_of_n.kl_bound(n) for n in grid], "form": "best_of_n",
            "gold_PC": gold_PC, "proxy_PC": proxy_PC,
        }  # fmt: skip
    return found


def divergence(subject: Any, adapter: Any, groups: list[list[Transcript]]) -> float:
    """Mean over own replies of log(policy / start), nats a reply."""
    prompts, completions = [], []
    for reply in (reply for group in groups for reply in group):
        tokens = subject.tokenizer.encode(reply.reply, add_special_tokens=False) or [subject.tokenizer.eos_token_id]
        end = [] if len(tokens) >= NEW_TOKENS else [subject.tokenizer.eos_token_id]
        prompts.append(subject.encode(Transcript(reply.messages[:-1])))
        completions.append([*tokens, *end])
    packed = pack(prompts, completions)
    with torch.no_grad():
        policy = logprobs.token_logp(subject.model, packed)
        with adapters.reference(adapter):
            start = logprobs.token_logp(subject.model, packed)
    return float(logprobs.sequence_kl(policy, start, packed).mean())


def curve_of(subject: Any, adapter: Any, state: Any, folder: Path, held_out: Any, members: Any, first: Any) -> Any:
    """Gold, proxy and divergence at the start and at every checkpoint."""
    points = [("start", 0.0, first)]
    for checkpoint in state.checkpoints:
        restore_weights(folder / checkpoint.folder, subject.model, adapter)
        with adapters.merged(adapter):
            replies = drawn(subject, held_out, COPIES, seed=7)
        points.append((f"step {checkpoint.step}", divergence(subject, adapter, replies), replies))
    flat = [[reply for group in replies for reply in group] for _, _, replies in points]
    size = (len(held_out), COPIES)
    gold_PC = [np.array([gold(r) for r in rows]).reshape(size).mean(1).tolist() for rows in flat]
    proxy_PC = [scores(members[:1], rows)[0].reshape(size).mean(1).tolist() for rows in flat]
    shown = {label: [r.reply for group in replies[:6] for r in group[:1]] for label, _, replies in points}
    return {
        "labels": [label for label, _, _ in points], "kl": [max(0.0, kl) for _, kl, _ in points], "form": "rl",
        "gold_PC": gold_PC, "proxy_PC": proxy_PC, "replies": shown,
        "length_PC": [[float(np.mean([sparse.length(r.reply) for r in g])) for g in rs] for _, _, rs in points],
    }  # fmt: skip


def trained(subject: Any, train: Callable[[Any, Path], Any], measure: Callable[..., Any]) -> Any:
    """An adapter trained from the start and measured; where the loop's checks stopped it, how far it came."""
    adapter = adapters.attach(subject.model)
    with tempfile.TemporaryDirectory() as folder:
        try:
            state = train(adapter, Path(folder))
            return measure(subject, adapter, state, Path(folder))
        except TrainingError as error:
            return {"stopped": str(error)}
        finally:
            adapters.detach(adapter)


def said(name: str, found: dict[str, Any], cases: list[str]) -> dict[str, Any]:
    """What the curve carries, by the package."""
    gold_PC, proxy_PC = np.array(found["gold_PC"]), np.array(found["proxy_PC"])
    distance = [math.sqrt(kl) for kl in found["kl"]]
    looks = anytime.watch(labels=found["labels"], gold_PC=gold_PC, planned=len(distance) - 1)
    stops = [look.label for look in looks if look.stop]
    try:
        fitted = fits.fit(distance_P=distance, gold_PC=gold_PC, clusters_C=cases, form=found["form"])
        fit = {"peak": to_builtins(fitted.peak), "reason": fitted.reason}
    except DataError as error:
        fit = {"peak": None, "reason": str(error)}
    last = {"label": found["labels"][-1], "ids": cases}
    gap = sparse.gap(
        **last, proxy_before_C=proxy_PC[0], proxy_now_C=proxy_PC[-1], gold_before_C=gold_PC[0], gold_now_C=gold_PC[-1]
    )
    change = sparse.change_point(labels=found["labels"], ids=cases, gold_PC=gold_PC)
    drift = None
    if "length_PC" in found:
        lengths = np.array(found["length_PC"])
        drift = sparse.drift(**last, before={"length": lengths[0]}, now={"length": lengths[-1]})
    mean = gold_PC.mean(1)
    return {
        "gold": [round(float(g), 3) for g in mean], "proxy": [round(float(p), 3) for p in proxy_PC.mean(1)],
        "distance": [round(d, 3) for d in distance], "best": found["labels"][int(mean.argmax())],
        "watch stops": stops[0] if stops else None, "fit": fit,
        "findings": [to_builtins(f) for f in (gap, change, drift) if f],
    }  # fmt: skip


def compared(curves: dict[str, Any], cases: list[str]) -> dict[str, Any]:
    """Each method against best-of-n by one reward model, at the largest equal distance and halfway."""
    base, found = curves["best-of-n, one reward model"], {}
    made = {
        name: Curve(x_P=np.sqrt(np.array(c["kl"])), gold_PC=np.array(c["gold_PC"]), clusters_C=tuple(cases))
        for name, c in curves.items() if "gold_PC" in c
    }  # fmt: skip
    for name, curve in made.items():
        if curves[name] is base or (np.diff(curve.x_P) <= 0).any():
            continue
        one = made["best-of-n, one reward model"]
        furthest = overlap({"one": one, "other": curve})[1]
        for at in (furthest / 2, furthest):
            difference = difference_at_equal(before=one, after=curve, axis="distance", at=at)
            found[f"{name} - one reward model at d = {at:.2f}"] = to_builtins(difference)
    return found


def draw(report: dict[str, Any], path: Path) -> None:
    """Gold and proxy against distance."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update(
        {"svg.hashsalt": "gnomon", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    for i, (name, found) in enumerate(report["curves"].items()):
        if "gold" not in found:
            continue
        for axis, key in zip(axes, ("gold", "proxy"), strict=True):
            line = "o-" if name.startswith("best") else "s--"
            axis.plot(found["distance"], found[key], line, ms=3, lw=1, color=f"C{i}", label=name)
    axes[0].set(xlabel="distance from the start, sqrt(nats)", ylabel="gold (exact)", ylim=(0, 1))
    axes[0].set_title("Gold", loc="left")
    axes[1].set(xlabel="distance from the start, sqrt(nats)", ylabel="proxy (standard deviations)")
    axes[1].set_title("Proxy: best-of-n by its own rule, else one reward model", loc="left")
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="lower center", ncol=4)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="best of 8, eight steps; nothing is written")
    parser.add_argument("--json", action="store_true", help="print the findings as one line")
    parser.add_argument("--redraw", action="store_true", help="only draw the results that are written")
    given = parser.parse_args()
    if given.redraw:
        draw(json.loads((OUT / "limits_embedded.json").read_text()), OUT / "limits_embedded.svg")
        return
    size, steps, members = (8, 8, 2) if given.quick else (64, 48, MEMBERS)
    subject = models.load("embedded", cache=Path.home() / ".cache" / "gnomon")
    held_out, prompts = asked(NEW_THINGS, NEW_WORDS), asked(THINGS, WORDS)
    cases = [p.messages[0].content for p in held_out]
    own = drawn(subject, prompts, COPIES, seed=1)
    rows = pairs(own)
    print(f"{len(rows)} pairs", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as place:
        made, reports = judges(subject, rows, Path(place), members)
        groups = drawn(subject, held_out, size, seed=3)
        flat = [reply for group in groups for reply in group]
        score_MN = scores(made, flat)
        warm = average([Path(place) / f"judge-{member}" for member in range(members)], Path(place) / "warm")
        curves = best_of(groups, score_MN, RULES)
        curves |= best_of(groups, scores([warm], flat), {"averaged weights (WARM)": RULES["one reward model"]})
        golds = np.array([gold(r) for r in flat]).reshape(len(held_out), size)
        agree = [_agreement(golds, score_N.reshape(golds.shape)) for score_N in score_MN]
        first = [group[:COPIES] for group in groups]
        measure = partial(curve_of, held_out=held_out, members=made, first=first)
        by_judge = [sorted(g, key=lambda r: float(made[0].standardised([r])[0])) for g in own]
        examples = preference_examples(
            [row(g[-1], g[0]) for g in by_judge if g[-1].reply.strip() and g[0].reply.strip() != g[-1].reply.strip()
             and g[0].reply.strip()], subject,
        )  # fmt: skip
        curves["DPO, one reward model"] = trained(
            subject,
            lambda adapter, folder: offline.train(
                subject=subject, adapter=adapter, examples=examples, loss=plugin.build("loss", "dpo"), folder=folder,
                measure=logprobs.sequence_logp,
                settings=Offline(epochs=5, steps=steps, batch=8, learning_rate=3e-4, every=EVERY, warmup=0.0),
            ),
            measure,
        )  # fmt: skip
        for name, used, rule in (("one reward model", 1, RULES["one reward model"]),
                                 ("worst of four", members, RULES["worst of four"])):  # fmt: skip
            print(f"GRPO, {name}", file=sys.stderr, flush=True)

            def judge(replies: Any, used: int = used, rule: Any = rule) -> list[Judged]:
                return [Judged(reward=float(v), broken={}) for v in rule(scores(made[:used], replies))]

            curves[f"GRPO, {name}"] = trained(
                subject,
                lambda adapter, folder, judge=judge: online.train(
                    subject=subject, adapter=adapter, prompts=prompts, judge=judge, folder=folder, sink=Quiet(),
                    loss=plugin.build("loss", "grpo"),
                    settings=Online(
                        steps=steps, prompts=8, group=4, max_new_tokens=NEW_TOKENS, learning_rate=3e-4, every=EVERY
                    ),
                ),
                measure,
            )  # fmt: skip
    report = {
        "setting": {"pairs": len(rows), "label noise": NOISE, "steps": steps, "best of": size, "prompts": len(cases)},
        "reward models": {"agreement with gold": agree, "calibration": reports},
        "curves": {
            name: said(name, c, cases) | {"replies": c.get("replies", {})} if "gold_PC" in c else c
            for name, c in curves.items()
        },
        "at equal distance": compared(curves, cases),
    }
    if not given.quick:
        (OUT / "limits_embedded.json").write_text(json.dumps(report, indent=1) + "\n")
        draw(report, OUT / "limits_embedded.svg")
    print(json.dumps(report) if given.json else json.dumps(report, indent=1))


def _agreement(gold_CN: Any, score_CN: Any) -> Any:
    """Share of pairs of replies to one prompt, with unequal gold, that a reward model puts in gold's order."""
    right = total = 0
    for gold_N, score_N in zip(gold_CN, score_CN, strict=True):
        better = np.sign(gold_N[:, None] - gold_N[None, :])
        total += int((better > 0).sum())
        right += int(((better > 0) & (score_N[:, None] > score_N[None, :])).sum())
    return to_builtins(replace(wilson(right, total), method="share of ordered pairs; pairs share replies"))


if __name__ == "__main__":
    main()
