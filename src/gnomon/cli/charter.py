"""`gnomon init`, `gnomon check`, `gnomon plugins`: write a charter, judge a charter, list what it may name."""

import inspect
from pathlib import Path

import typer

from gnomon.charter import compile as compiled
from gnomon.charter.lint import Finding, lint
from gnomon.charter.load import STARTER, json_schema, load
from gnomon.charter.schema import Charter, DimensionRef
from gnomon.cli import console
from gnomon.core import plugin
from gnomon.core.errors import EXIT_MET, EXIT_NOT_MET, EXIT_USAGE, SettingsError
from gnomon.core.files import json_text, read_text, write_atomic
from gnomon.core.protocols import Direction
from gnomon.core.types import Score, Transcript
from gnomon.scoring import judge

JSON = typer.Option(False, "--json", help="Print one JSON document instead of text.")


def init(
    path: Path = typer.Argument(Path("charter.yaml"), help="Where to write it."),
    json: bool = JSON,
) -> None:
    """Write a commented charter to start from."""
    if path.exists():
        raise SettingsError(f"{path} exists and is left as it is; name another file")
    schema = path.with_name("charter.schema.json")
    write_atomic(path, read_text(STARTER))
    write_atomic(schema, json_text(json_schema()))
    if json:
        console.result_json({"written": [str(path), str(schema)]})
    else:
        console.result(f"Wrote {path}, and {schema} for your editor. Edit it, then: gnomon check {path}")
    raise typer.Exit(EXIT_MET)


def findings(charter: Charter) -> list[Finding]:
    """What the lint has to say, with the real detectors."""

    def score(ref: DimensionRef, transcript: Transcript) -> Score:
        return judge.score(judge.build(ref.kind, ref.settings), transcript)

    def direction(ref: DimensionRef) -> Direction:
        return judge.build(ref.kind, ref.settings).direction

    return lint(charter, score=score, direction=direction)


def check(
    path: Path = typer.Argument(..., metavar="CHARTER", help="The charter to check."),
    json: bool = JSON,
) -> None:
    """Check a charter's form, then whether its norms and preferences can be decided as they are written."""
    loaded = load(path)
    found = findings(loaded.charter)
    errors = sum(f.level == "error" for f in found)
    cases = compiled.cases(loaded.charter)
    if json:
        console.result_json({"charter": loaded.charter.name, "cases": len(cases), "findings": found})
    else:
        for finding in found:
            console.result(f"{loaded.place(finding.where)}: {finding.level}: {finding.message}")
        norms, preferences = len(loaded.charter.norms), len(loaded.charter.preferences)
        console.result(
            f"{path}: {norms} norms, {preferences} preferences, {len(cases)} cases; "
            f"{errors} errors, {len(found) - errors} warnings"
        )
    raise typer.Exit(EXIT_NOT_MET if errors else EXIT_MET)


def plugins(
    kind: str = typer.Argument("", help=f"One of: {', '.join(plugin.FOLDERS)}. Empty: all."),
    json: bool = JSON,
) -> None:
    """List the losses, dimensions, attacks and screens there are, each with its source."""
    if kind and kind not in plugin.FOLDERS:
        console.say(f"gnomon: no kind of plug-in named '{kind}'; write one of: {', '.join(plugin.FOLDERS)}")
        raise typer.Exit(EXIT_USAGE)
    rows = []
    for each in [kind] if kind else plugin.FOLDERS:
        for name in plugin.names(each):
            head = inspect.cleandoc(plugin.module(each, name).__doc__ or "").splitlines()
            source = next((line.removeprefix("Source:").strip() for line in head if line.startswith("Source:")), "")
            rows.append({"kind": each, "name": name, "what": head[0] if head else "", "source": source})
    if json:
        console.result_json(rows)
    else:
        console.table("Plug-ins", ("kind", "name", "what", "source"), [tuple(r.values()) for r in rows])
    raise typer.Exit(EXIT_MET)
