"""`gnomon verify`, `gnomon report`, `gnomon ledger …`: look at evidence, check it, show it."""

from pathlib import Path

import typer

from gnomon.cli import console
from gnomon.core.errors import EXIT_INTEGRITY, EXIT_MET, StorageError
from gnomon.core.files import read_text, write_atomic
from gnomon.ledger.layout import CHECKPOINT
from gnomon.ledger.store import Ledger
from gnomon.ledger.verify import failures
from gnomon.ledger.verify import verify as verified

app = typer.Typer(help="Look into the evidence of a run.", no_args_is_help=True)
FOLDER = typer.Argument(..., metavar="DIR", help="A run, or its evidence folder.")
JSON = typer.Option(False, "--json", help="Print one JSON document instead of text.")


def evidence(folder: Path) -> Path:
    """The folder with the checkpoint: the one that was named, or the evidence folder inside it."""
    for place in (folder, folder / "evidence"):
        if (place / CHECKPOINT).exists():
            return place
    if folder.is_dir():
        inside = folder / "evidence"
        return inside if inside.is_dir() else folder
    raise StorageError(f"{folder}: there is no such folder; write a run's folder, as in: gnomon verify runs/ID")


def verify(
    folder: Path = FOLDER,
    key: str = typer.Option("", "--key", help="The public key or its fingerprint, as you were given it."),
    checkpoint: Path | None = typer.Option(None, "--checkpoint", help="A checkpoint of this log that you kept."),
    json: bool = JSON,
) -> None:
    """Check every signature, digest and link of a run's evidence. Exit code 4 if anything does not hold."""
    place = evidence(folder)
    kept = read_text(checkpoint) if checkpoint else None
    found = verified(place, trusted_checkpoint=kept, trusted_key=key or None)
    bad = failures(found)
    if json:
        console.result_json({"folder": str(place), "verified": not bad, "findings": found})
    else:
        for finding in found:
            console.result(f"{finding.level}: {finding.where}: {finding.message}")
        console.result(f"{place}: does NOT verify, {len(bad)} failures" if bad else f"{place}: verified")
    raise typer.Exit(EXIT_INTEGRITY if bad else EXIT_MET)


def report(
    folder: Path = FOLDER,
    target: Path | None = typer.Option(None, "--out", help="Where to write the page; default DIR/report.html."),
    json: bool = JSON,
) -> None:
    """Write the report of a run anew from its records."""
    from gnomon.web.report import render

    place = evidence(folder)
    page = target or (place.parent if place.name == "evidence" else place) / "report.html"
    write_atomic(page, render(place))
    if json:
        console.result_json({"report": str(page)})
    else:
        console.result(str(page))
    raise typer.Exit(EXIT_MET)


@app.command("list")
def list_records(
    folder: Path = FOLDER, kind: str = typer.Option("", "--kind", help="Only this kind."), json: bool = JSON
) -> None:
    """List the records in the order in which they were made."""
    entries = [e for e in Ledger.read(evidence(folder)).entries() if kind in ("", e.record.kind)]
    if json:
        console.result_json(
            [{"index": e.index, "id": e.record.id, "recorded_at": e.recorded_at, "record": e.record} for e in entries]
        )
    else:
        rows = [
            (str(e.index), e.record.id[:12], e.record.kind, " ".join(f"{k}={v}" for k, v in e.record.labels.items()))
            for e in entries
        ]
        console.table(f"{len(rows)} records", ("#", "id", "kind", "labels"), rows)
    raise typer.Exit(EXIT_MET)


@app.command("show")
def show(
    folder: Path = FOLDER,
    record: str = typer.Argument(..., metavar="ID", help="A record's id, or a unique beginning of it."),
    json: bool = typer.Option(True, "--json", help="JSON is what this command always prints."),
) -> None:
    """Print one record with its payload."""
    ledger = Ledger.read(evidence(folder))
    found = ledger.get(record)
    console.result_json({"id": found.id, "record": found, "payload": ledger.payload(found)})
    raise typer.Exit(EXIT_MET)


@app.command("reindex")
def reindex(
    folder: Path = FOLDER,
    url: str = typer.Option("", "--url", help="A database of SQLAlchemy's; default DIR/index.sqlite."),
    json: bool = JSON,
) -> None:
    """Build the SQL index anew from the signed log. It may be deleted at any time."""
    from gnomon.ledger import index

    place = evidence(folder)
    count = index.reindex(place, url=url or None)
    if json:
        console.result_json({"folder": str(place), "records": count})
    else:
        console.result(f"{place}: {count} records indexed")
    raise typer.Exit(EXIT_MET)
