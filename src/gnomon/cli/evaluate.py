"""`gnomon evaluate` and `gnomon score`: measure a model on a charter's cases, or judge transcripts that exist."""

from pathlib import Path

import typer

from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, OUT, QUICK, SEED, SET, session, settings
from gnomon.core.canonical import from_builtins, to_builtins
from gnomon.core.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_NOT_MET
from gnomon.core.files import json_lines, read_json_lines, write_atomic
from gnomon.core.settings import parse_pairs
from gnomon.core.types import Json, Transcript
from gnomon.scoring import judge


def evaluate(
    charter: Path = CHARTER,
    model: str | None = MODEL,
    out: Path | None = OUT,
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    key: Path | None = KEY,
    json: bool = JSON,
) -> None:
    """Measure how a model keeps a charter, with intervals; every number is recorded and signed."""
    from gnomon.assurance.claims import append_claims, claims
    from gnomon.cli.stages import EVERY_KIND, measured

    chosen = settings(seed, quick, set_)
    with session(charter, model=model, out=out, chosen=chosen, key=key, verb="evaluate", quiet=json) as run:
        measured(run, model=run.model, subject="before", split="held-out", kinds=EVERY_KIND, title="Held-out cases")
        found = [c for c in claims(run.ledger, run.loaded.charter) if c.id.endswith("/before") and c.estimate]
        append_claims(run.ledger, found)
        folder = run.folder
    states = {c.state for c in found if c.id.startswith("norm/")}
    code = EXIT_NOT_MET if "not satisfied" in states else EXIT_MET if states == {"satisfied"} else EXIT_INCONCLUSIVE
    if json:
        console.result_json({"folder": str(folder), "claims": found})
    else:
        rows = [(c.target, c.state, console.shown(c.estimate), c.sentence) for c in found]
        console.table(f"{run.loaded.charter.name}: held-out cases", ("target", "state", "estimate", "claim"), rows)
        console.result(f"Evidence: {folder / 'evidence'}")
    raise typer.Exit(code)


def score(
    source: Path = typer.Option(..., "--jsonl", help='Transcripts: {"messages": […], "expect": {…}} a line.'),
    dimension: str = typer.Option(..., "--dimension", help="A dimension; `gnomon plugins dimension` lists them."),
    set_: list[str] = SET,
    target: Path | None = typer.Option(None, "--out", help="Write the scores here instead of standard output."),
    json: bool = typer.Option(True, "--json", help="JSON lines are what this command always prints."),
) -> None:
    """Judge transcripts: one {"id", "value", "good", "reason", "spans"} a line, in order."""
    measure = judge.build(dimension, parse_pairs(set_))

    def rows() -> list[Json]:
        found: list[Json] = []
        for number, row in read_json_lines(source):
            fields = {k: v for k, v in row.items() if k in ("messages", "expect")} if isinstance(row, dict) else row
            transcript = from_builtins(fields, Transcript, where=f"{source}:{number}")
            given = judge.score(measure, transcript)
            found.append(
                {
                    "id": row.get("id", number),
                    "value": given.value,
                    "good": judge.normalised(given, measure),
                    "reason": given.reason,
                    "spans": to_builtins(given.spans),
                }
            )
        return found

    if target is None:
        console.result_lines(rows())
    else:
        write_atomic(target, json_lines(rows()))
    raise typer.Exit(EXIT_MET)
