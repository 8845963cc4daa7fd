"""`gnomon attacker`: train an attacker's model against a target, and say what that is worth at equal effort."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import typer

from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, OUT, QUICK, SEED, SET, session, settings
from gnomon.core import plugin
from gnomon.core.canonical import from_builtins
from gnomon.core.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_NOT_MET
from gnomon.core.protocols import Model
from gnomon.core.types import Estimate, Json

LISTS = ("prefix", "roleplay", "refusal_suppression")


def attacker(
    charter: Path = CHARTER,
    model: str | None = MODEL,
    out: Path | None = OUT,
    method: str = typer.Option("sft", "--method", help="sft, dpo and the like, or one that samples, as grpo or vespo."),
    guard: bool = typer.Option(False, "--guard", help="Train against the target behind the guard of the charter."),
    lists: list[str] = typer.Option([], "--against", help="Fixed attacks to compare with; several may be given."),
    helped: list[str] = typer.Option([], "--in", help="Also compare inside these attacks, as pair or tap."),
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    key: Path | None = KEY,
    show: bool = typer.Option(False, "--show", help="Print what broke on held-out goals, word for word."),
    json: bool = JSON,
) -> None:
    """Train an attacker's model against --model; its start is --set attacker=..., or the embedded model.

    The result is a model folder: gnomon attack CHARTER --attack learned --set attacker=FOLDER. Exit code 0: on held-out
    goals its messages break more often than the untrained attacker's; 1: less often; 3: neither can be told.
    """
    from gnomon.charter.compile import policy
    from gnomon.cli import effort
    from gnomon.cli.learning import attacker_trained, compared
    from gnomon.guard.model import Guarded

    for name in (*lists, *helped):
        plugin.load("attack", name)
    chosen = settings(seed, quick, set_)
    chosen = replace(chosen, method=method, attacker=chosen.attacker or "embedded")
    with session(charter, model=model, out=out, chosen=chosen, key=key, verb="attacker", quiet=json) as run:
        target = Guarded(model=run.model, policy=policy(run.loaded.charter)) if guard else run.model
        start = cast(Model, run.attacker)
        made = attacker_trained(run, target=target, start=start, folder=run.folder)
        found = None
        if made.folder is not None:
            names = tuple(lists) or LISTS
            found = compared(run, target=target, start=start, trained=made, lists=names, helped=helped)
            rows = found.pop("rows")
            run.ledger.append(kind="attacker-test", payload=found, parents=[made.record.id])
        folder = run.folder
    if json:
        told = {"folder": str(folder), "attacker": str(made.folder or ""), "rounds": made.rounds, "held-out": found}
        console.result_json(told)
    elif found is None:
        console.result("No message broke a norm, so there was nothing to learn from. Give more messages by")
        console.result("--set learn.copies=32, goals by --set learn.goals_per_norm=50, or an abler --set attacker=...")
    else:
        _shown(found)
        effort.table(effort.measured(rows), f"Held-out goals, {found['tries']} tries each")
        if show:
            effort.texts(rows)
        console.result(f"Attacker: {made.folder}\nEvidence: {folder / 'evidence'}")
    raise typer.Exit(_code(found))


def _estimate(value: Json) -> str:
    return console.shown(from_builtins(value, Estimate) if value else None)


def _shown(found: Json) -> None:
    rows = []
    for name, arm in found["arms"].items():
        various = arm["diversity"] or {}
        cells = [_estimate(various.get(part)) for part in ("written", "new", "distinct", "apart")]
        rows.append((name, _estimate(arm["broke"]), *cells))
    columns = ("attacker", "messages that broke", "written by it", "new", "distinct word pairs", "apart")
    console.table("Messages on held-out goals", columns, rows)
    change = found["a message, trained less untrained"]
    console.result(f"A message, trained less untrained: {_estimate(change and change['difference'])}")
    for name, one in found["a goal, trained less"].items():
        console.result(
            f"A goal in {found['tries']} tries, trained less {name}: {_estimate(one['rates']['difference'])}"
        )


def _code(found: Json | None) -> int:
    change = found and found["a message, trained less untrained"]
    if not change:
        return EXIT_INCONCLUSIVE
    if change["difference"]["low"] > 0:
        return EXIT_MET
    return EXIT_NOT_MET if change["difference"]["high"] < 0 else EXIT_INCONCLUSIVE
