"""`gnomon methods`: every way to train, with what it reads, what it needs, and where it comes from."""

import dataclasses
import inspect
from typing import Any

import typer

from gnomon.cli import console
from gnomon.cli.session import JSON
from gnomon.core import plugin
from gnomon.core.errors import EXIT_MET
from gnomon.core.types import Json

READS = {
    "PreferenceBatch": "pairs",
    "DemonstrationBatch": "demonstrations",
    "LabelledBatch": "labelled replies",
    "RewardBatch": "pairs, for a reward model",
    "GaussianRewardBatch": "pairs, for a reward model",
    "RolloutBatch": "own samples and a reward",
    "ActorCriticBatch": "own samples, a reward and a critic",
}


def methods(
    name: str = typer.Argument("", metavar="[METHOD]", help="One method, with its settings. Empty: all."),
    json: bool = JSON,
) -> None:
    """List the training methods, each with its source; `gnomon align --method NAME` runs one."""
    rows = [described(each) for each in ([name] if name else plugin.names("loss"))]
    if json:
        console.result_json(rows)
    elif name:
        (row,) = rows
        console.result(f"{row['name']}: {row['what']}\nReads:  {row['reads']}\nSource: {row['source']}")
        for field in row["settings"]:
            console.result(f"  --set loss.{field['name']}={field['default']}\t{field['meaning']}")
        for key, value in row["recipe"].items():
            console.result(f"  --set loop.{key}={value}\tas its paper sets it")
    else:
        for row in rows:
            needs = f"{row['reads']}{' and a reference' if row['reference'] else ''}"
            console.result(f"{row['name']:<16} reads {needs}")
            console.result(f"{'':16} {row['what']}\n{'':16} {row['source']}")
    raise typer.Exit(EXIT_MET)


def described(name: str) -> dict[str, Json]:
    """A method as plain values: its head, its settings, and what its paper says of the loop."""
    kind, head = plugin.load("loss", name), parts(plugin.module("loss", name).__doc__ or "")
    made = kind()
    return {
        "name": name,
        "what": head["what"],
        "reads": READS[kind.READS.__name__],
        "reference": bool(made.NEEDS_REFERENCE),
        "advantage": getattr(made, "ADVANTAGE", None),
        "recipe": dict(getattr(made, "RECIPE", {})),
        "settings": _settings(kind),
        "source": head["source"],
    }


def parts(docstring: str) -> dict[str, str]:
    """First line and `Source:` of a file's head; a source may go on over several lines."""
    lines = inspect.cleandoc(docstring).splitlines()
    source, taking = [], False
    for line in lines:
        word = line.split(" ", 1)[0]
        if word.endswith(":") and word[:1].isupper():
            taking = word == "Source:"
        elif not line.strip():
            taking = False
        if taking:
            source.append(line.removeprefix("Source:").strip())
    return {"what": lines[0] if lines else "", "source": " ".join(source)}


def _settings(kind: type[Any]) -> list[Json]:
    """Name, default and documented meaning of every setting."""
    lines = inspect.getsource(kind).splitlines()
    found: list[Json] = []
    for field in dataclasses.fields(kind):
        at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{field.name}:"))
        after = iter(lines[at + 1 :])
        meaning = next(after).strip()
        while meaning.count('"""') < 2:
            meaning += " " + next(after).strip()
        found.append({"name": field.name, "default": field.default, "meaning": meaning.strip('"')})
    return found
