"""`gnomon align`: make pairs from a charter, train on them, and keep every checkpoint. `run` also finds the limit."""

from dataclasses import replace
from pathlib import Path

import typer

from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, OUT, QUICK, SEED, SET, session, settings
from gnomon.core import plugin
from gnomon.core.errors import EXIT_MET


def align(
    charter: Path = CHARTER,
    model: str | None = MODEL,
    out: Path | None = OUT,
    method: str = typer.Option("dpo", "--method", help="A loss; `gnomon methods` lists them."),
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    key: Path | None = KEY,
    json: bool = JSON,
) -> None:
    """Align a model by a charter and write the last checkpoint as a model folder. Goes on where it was stopped."""
    from gnomon.cli import aligning

    plugin.load("loss", method)
    chosen = replace(settings(seed, quick, set_), method=method)
    with session(charter, model=model, out=out, chosen=chosen, key=key, verb="align", quiet=json) as run:
        training, state = aligning.trained(run, aligning.paired(run))
        record = aligning.released(run, state.checkpoints[-1], training)
        payload, folder = run.ledger.payload(record), run.folder
    if json:
        console.result_json(
            {"folder": str(folder), "model": str(folder / "model"), "log": state.log, "weights": payload}
        )
    else:
        first, last = state.log[0], state.log[-1]
        console.result(f"Loss {first['loss']:.4f} at step {first['step']}, {last['loss']:.4f} at step {last['step']}")
        console.result(f"Model:    {folder / 'model'}")
        console.result(f"Evidence: {folder / 'evidence'}")
    raise typer.Exit(EXIT_MET)
