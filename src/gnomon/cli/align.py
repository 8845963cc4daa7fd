"""`gnomon align`: train a model by a charter with any method, and keep every checkpoint. `run` also finds the limit."""

from dataclasses import replace
from pathlib import Path

import typer

from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, OUT, QUICK, SEED, SET, session, settings
from gnomon.cli.stages import Run
from gnomon.core import plugin
from gnomon.core.errors import EXIT_MET
from gnomon.core.types import Json


def align(
    charter: Path = CHARTER,
    model: str | None = MODEL,
    out: Path | None = OUT,
    method: str = typer.Option("dpo", "--method", help="How to train; `gnomon methods` lists the ways."),
    data: str = typer.Option("", "--data", help="Rows to learn from instead of the charter's own pairs."),
    test: str = typer.Option("", "--test", help="Rows to measure on elsewhere: what leaks is not learned from."),
    reward_model: str = typer.Option("", "--reward-model", help="For methods that sample: a judge of your own."),
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    key: Path | None = KEY,
    json: bool = JSON,
) -> None:
    """Align a model by a charter and write the last checkpoint as a model folder. Goes on where it was stopped.

    The methods `reward` and `gaussian_reward` write a calibrated reward model instead. The others run on
    several processes, too: torchrun --nproc-per-node 2 -m gnomon align ...
    """
    from gnomon.cli import aligning
    from gnomon.training import world

    plugin.load("loss", method)
    chosen = settings(seed, quick, set_)
    chosen = replace(chosen, method=method, data=data, test=test, reward_model=reward_model)
    make = judge_made if aligning.makes_judge(method) else model_made
    follows = not world.join().leads
    with session(
        charter, model=model, out=out, chosen=chosen, key=key, verb="align", quiet=json, follows=follows
    ) as run:
        told = make(run, quiet=json)
    if json:
        console.result_json(told)
    raise typer.Exit(EXIT_MET)


def model_made(run: Run, *, quiet: bool) -> Json:
    """Train a policy and write its last checkpoint."""
    from gnomon.cli import aligning, checkpoints

    training, state = aligning.trained(run)
    record = checkpoints.released(run, state.checkpoints[-1], training)
    if not quiet:
        first, last = state.log[0], state.log[-1]
        console.result(f"Loss {first['loss']:.4f} at step {first['step']}, {last['loss']:.4f} at step {last['step']}")
        console.result(f"Model:    {run.folder / 'model'}")
        console.result(f"Evidence: {run.folder / 'evidence'}")
    weights = run.ledger.payload(record)
    return {"folder": str(run.folder), "model": str(run.folder / "model"), "log": state.log, "weights": weights}


def judge_made(run: Run, *, quiet: bool) -> Json:
    """Train a reward model and say what it is worth on pairs that it has not seen."""
    from gnomon.cli import aligning

    report = aligning.judge_trained(run)
    if not quiet:
        console.result(f"Reward model: {run.folder / 'reward_model'}")
        console.result(f"Calibration:  {run.folder / 'calibration.svg'}")
    return {"folder": str(run.folder), "reward_model": str(run.folder / "reward_model"), "report": report}
