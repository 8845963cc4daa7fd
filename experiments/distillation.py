"""How much of a model's behaviour does a student get from its answers, for how many of them?

    python experiments/distillation.py [--part style spread ...] [--work DIR] [--quick] [--json]

The target is the embedded model, tuned to a planted style that nobody could miss: every answer is one sentence, begins
with "Well now," and ends with "Mind how you go." The student is the untouched embedded model: weights, tokenizer and
template are the target's own, which is the best case for a thief. Questions are of twelve things in eight forms; a
quarter of them is held out, so what is held out shares its form and thing with what is asked, and intervals, clustered
by question, speak of questions like these. The target was made on other things. Beside each student stands one that
was taught as many rows not from the target: the untouched model's own answers to the same questions.
*style*: fidelity by number of traces, questions at random; *spread*, *doubt*: the fewest of these, but chosen (each
far from those before; those that the student is least sure of).
Told are the share of tokens at which student and target hold the same one for the likeliest, on the target's own
answers; the divergence of their next tokens; shared words of whole answers; and the share of answers in the style.
Kept in docs/experiments/distillation.json, resumed where it was stopped. It shows whether the attack works where target
and student are of one kind; nothing about a target that is larger, or that says more than a style.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.cli import tuning
from gnomon.cli.console import bars
from gnomon.cli.distilling import Distilling, Theft, distilled
from gnomon.core import plugin
from gnomon.core.canonical import to_builtins
from gnomon.core.files import json_text, write_atomic
from gnomon.core.protocols import Quiet, Sampling
from gnomon.core.statistics import clustered
from gnomon.core.types import Message, Transcript
from gnomon.ledger.store import Ledger
from gnomon.models import load as models
from gnomon.models.local import LocalModel
from gnomon.redteam.distillation import about
from gnomon.training.schedule import Offline

OUT = Path(__file__).resolve().parents[1] / "docs" / "experiments" / "distillation.json"
CACHE = Path.home() / ".cache" / "gnomon"
BEGINS, ENDS = "Well now,", "Mind how you go."
PLANTED = ("rain", "music", "a garden", "winter", "a farm", "tea", "the moon", "paper")
ASKED = (
    "bread",
    "bees",
    "bicycles",
    "the sea",
    "sleep",
    "chess",
    "letters",
    "trains",
    "soap",
    "maps",
    "wool",
    "bridges",
)
PARTS = ("style", "spread", "doubt")
NEW_TOKENS = 32


def styled(reply: str) -> str:
    """The first sentence of a reply, in the style."""
    first = re.split(r"(?<=[.!?])\s", reply.strip().replace("\n", " "))[0].strip()
    words = first.rstrip(".!?,:;").split()[:18]
    return f"{BEGINS} {' '.join(words)}. {ENDS}"


def target(work: Path, start: LocalModel, quick: bool) -> Path:
    """The embedded model tuned to the style, as a folder."""
    folder = work / "target"
    if not folder.exists():
        asked = about(PLANTED)
        said = start.generate(prompts=asked, sampling=Sampling(max_new_tokens=NEW_TOKENS))
        rows = [
            {"case": str(i), "prompt": to_builtins(q.messages), "chosen": styled(r.reply)}
            for i, (q, r) in enumerate(zip(asked, said, strict=True))
        ]
        loop = Offline(epochs=1 if quick else 3, batch=8, learning_rate=1e-3, every=8)
        loss = plugin.build("loss", "sft")
        state = tuning.tuned(start, rows, loss=loss, loop=loop, folder=work / "plant", sink=Quiet())
        tuning.written(start, state, work / "plant", seed=0, into=folder)
    return folder


def in_style(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Share of answers in the style, of each student."""
    found = []
    for point in dict.fromkeys((row["traces"], row["arm"]) for row in rows):
        own = [row for row in rows if (row["traces"], row["arm"]) == point]
        values = [float(row["said"].startswith(BEGINS)) for row in own]
        share = clustered.rate(values, [row["cluster"] for row in own])
        found.append({"traces": point[0], "arm": point[1], "in style": to_builtins(share)})
    return found


def part(name: str, work: Path, quick: bool) -> dict[str, Any]:
    start = tuning.here(models.load("embedded", cache=CACHE), "the student")
    stolen = models.load(str(target(work, start, quick)), cache=CACHE)
    settings = Distilling(
        max_new_tokens=NEW_TOKENS, held_out=8 if quick else 24, points=1 if quick or name != "style" else 3, epochs=3
    )
    budget = 8 if quick else 64 if name == "style" else 16
    questions = [Transcript((Message("user", q.request),)) for q in about(ASKED)]
    with bars() as shown, Ledger.open(work / name / "evidence", key=work / "key") as ledger:
        theft = Theft(
            folder=work / name,
            target=stolen,
            original=stolen,
            student=start,
            settings=settings,
            ledger=ledger,
            stage=shown.stage,
        )
        choose: Any = "random" if name == "style" else name
        found = distilled(theft, questions, budget=budget, choose=choose)
    rows = found.pop("rows")
    return {**found, "style": in_style(rows), "questions": rows}


def told(name: str, found: dict[str, Any]) -> str:
    """A part in a few lines."""

    def shown(value: dict[str, Any] | None) -> str:
        return "-" if value is None else f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"

    lines = [
        f"{name}: {one['traces']} rows of {one['arm']}: tokens {shown(one['tokens'])}, KL {shown(one['kl'])}, "
        f"answers {shown(one['answers'])}, style {shown(style['in style'])}"
        for one, style in zip(found["fidelity"], found["style"], strict=True)
    ]
    last = found["student less control"][-1]
    lines.append(f"{name}: less control: tokens {shown(last['tokens'])}, KL {shown(last['kl'])}")
    more = found["most less fewest traces"]
    if more:
        lines.append(f"{name}: most less fewest traces: tokens {shown(more['tokens'])}, KL {shown(more['kl'])}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    work = chosen.work or Path(tempfile.mkdtemp(prefix="distillation-"))
    done: dict[str, Any] = {}
    for name in chosen.part or PARTS:
        done[name] = part(name, work, chosen.quick)
        if not chosen.quick:
            kept = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
            short = {key: value for key, value in done[name].items() if key != "questions"}
            write_atomic(OUT, json_text(kept | {name: short}))
        if not chosen.json:
            print(told(name, done[name]))
    if chosen.json:
        json.dump(done, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
