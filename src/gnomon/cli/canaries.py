"""`gnomon canaries`: sentences with random secrets, to be planted in training data before a model is trained on it.

It trains nothing: `gnomon align --data FOLDER/train.jsonl` does, and `gnomon leaks` then measures what the model knows.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gnomon.cli import console
from gnomon.cli.session import JSON, SEED
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.files import json_lines, write_atomic
from gnomon.core.types import Json

if TYPE_CHECKING:
    from gnomon.redteam.extraction.canaries import Canary


def canaries(
    out: Path = typer.Option(..., "--out", help="Folder for canaries.jsonl (to be kept secret) and train.jsonl."),
    count: int = typer.Option(100, "--count", min=1, help="Canaries in all, shared out evenly over --repeats."),
    repeats: str = typer.Option("1,4,16,64", "--repeats", help="How often each is planted, with commas between."),
    controls: int = typer.Option(25, "--controls", min=0, help="Canaries that are planted nowhere, to compare with."),
    into: Path | None = typer.Option(None, "--into", help="Rows to train on, among which the canaries are planted."),
    length: int = typer.Option(8, "--length", min=1, help="Digits of a secret."),
    what: str = typer.Option("access code", "--what", help="What the secrets are said to be."),
    seed: int = SEED,
    json: bool = JSON,
) -> None:
    """Make canaries, as in: gnomon canaries --out canaries --into rows.jsonl. The secrets are not printed."""
    from gnomon.redteam.extraction.canaries import Format, make, planted, write

    times = _times(repeats)
    if count % len(times):
        raise SettingsError(
            f"{count} canaries cannot be shared out over {len(times)} numbers of repeats; write another"
        )
    if (out / "canaries.jsonl").exists():
        raise SettingsError(
            f"{out / 'canaries.jsonl'} is there: a model may have been trained on it; name a new folder"
        )
    form = Format(what=what, length=length)
    made = make(repeats=times, each=count // len(times), controls=controls, form=form, seed=seed)
    rows = planted(made, _rows(into) if into else (), seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "train.jsonl", json_lines(rows), mode=0o600)
    write(made, out / "canaries.jsonl")
    if json:
        console.result_json({"folder": str(out), "canaries": len(made), "rows": len(rows), "planted": _planted(made)})
        return
    console.result(f"{len(made)} canaries, {controls} of them controls: {out / 'canaries.jsonl'} (keep it to yourself)")
    console.result(f"{len(rows)} rows, {_planted(made)} of them canaries: {out / 'train.jsonl'}")
    console.result(f"Next: gnomon align CHARTER --method sft --data {out / 'train.jsonl'}, then")
    console.result(f"      gnomon leaks RUN/model --canaries {out / 'canaries.jsonl'}")


def _planted(made: "list[Canary]") -> int:
    return sum(c.repeats for c in made)


def _times(repeats: str) -> list[int]:
    try:
        times = [int(part) for part in repeats.split(",")]
    except ValueError:
        times = [0]
    if min(times) < 1 or len(set(times)) < len(times):
        raise SettingsError(f"--repeats {repeats}: write different whole numbers from 1 on, as 1,4,16,64")
    return times


def _rows(path: Path) -> list[Json]:
    """Rows of any form that demonstrations can have, as prompt and completion."""
    try:
        from gnomon.training import data
    except ImportError as error:
        raise DataError(f"--into needs {error.name} to read rows; install gnomon[train], or leave it out") from error
    from gnomon.core.canonical import to_builtins

    return [
        {"prompt": to_builtins(row.prompt), "completion": row.replies[0]}
        for row in data.read(path, kinds=("demonstration", "preference"))
    ]
