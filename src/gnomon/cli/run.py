"""`gnomon run`: the main job. Killed and started again with the same arguments, it goes on where it stopped."""

from pathlib import Path

import typer

from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, OUT, QUICK, SEED, SET, session, settings
from gnomon.core.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_NOT_MET

VERDICTS = {EXIT_MET: "met", EXIT_NOT_MET: "not met", EXIT_INCONCLUSIVE: "inconclusive"}


def run(
    charter: Path = CHARTER,
    model: str | None = MODEL,
    out: Path | None = OUT,
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    key: Path | None = KEY,
    json: bool = JSON,
) -> None:
    """Charter and model in; aligned model, limit, guard and signed report out. Goes on where it was stopped."""
    from gnomon.cli.pipeline import main_job, summary

    chosen = settings(seed, quick, set_)
    with session(charter, model=model, out=out, chosen=chosen, key=key, verb="run", quiet=json) as opened:
        console.say(f"Run: {opened.folder} (the same command goes on here after an interruption)")
        outcome = main_job(opened)
        document = summary(opened, outcome)
    if json:
        console.result_json(document)
    else:
        shown = [c for c in outcome.claims if c.estimate and c.id.count("/") <= 2]
        rows = [(c.id, c.state, console.shown(c.estimate)) for c in shown]
        console.table(f"{opened.loaded.charter.name}: {VERDICTS[outcome.code]}", ("claim", "state", "estimate"), rows)
        console.result(f"Report:   {outcome.report}")
        console.result(f"Evidence: {opened.folder / 'evidence'}   check it with: gnomon verify {opened.folder}")
    raise typer.Exit(outcome.code)
