"""`gnomon attack`: try to break a charter's norms, with the guard or without, and say at what effort it worked."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import typer

from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, ON, OUT, QUICK, SEED, SET, session, settings
from gnomon.core import plugin
from gnomon.core.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_NOT_MET, SettingsError


def attack(
    charter: Path = CHARTER,
    model: str | None = MODEL,
    out: Path | None = OUT,
    names: list[str] = typer.Option([], "--attack", help="An attack; may be given several times. Default: all."),
    tries: int = typer.Option(0, "--tries", min=0, help="Most tries of one attack on one goal; 0 = the setting."),
    goals: Path | None = typer.Option(
        None, "--goals", help="Attack the requests of this CSV, JSONL or text file instead of the charter's probes."
    ),
    norm: str = typer.Option("", "--norm", help="With --goals: the norm whose detector judges the replies."),
    most: int = typer.Option(0, "--most", min=0, help="With --goals: at most so many of them; 0 = all."),
    guard: bool = typer.Option(False, "--guard", help="Attack through the guard that the charter compiles to."),
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    on: str = ON,
    repeats: int = typer.Option(0, "--repeats", min=0, help="Do it all so often, from other seeds; 0 = the setting."),
    allocation: str = typer.Option("", "--allocation", help="even, or bandit: tries go where breaks are likeliest."),
    key: Path | None = KEY,
    labels: Path | None = typer.Option(
        None, "--labels", help='Replies people read, {"norm", "reply", "broken"} a line: how well detectors judge.'
    ),
    show: bool = typer.Option(False, "--show", help="Print the conversations that broke a norm, word for word."),
    json: bool = JSON,
) -> None:
    """Attack a model under a charter. Exit code 0: at most 2 % of trials broke a norm, by the interval's upper end."""
    from gnomon.assurance.claims import append_claims, claims
    from gnomon.cli import detector_error, effort
    from gnomon.cli.stages import attacked
    from gnomon.redteam.effort import unbiased

    chosen = settings(seed, quick, set_)
    chosen = replace(chosen, attacks=tuple(names) or chosen.attacks, tries=tries or chosen.tries)
    chosen = replace(chosen, repeats=repeats or chosen.repeats)
    if allocation not in ("", "even", "bandit"):
        raise SettingsError(f"there is no allocation '{allocation}'; write even or bandit")
    chosen = replace(
        chosen, allocation=cast(Literal["even", "bandit"], allocation) if allocation else chosen.allocation
    )
    if goals:
        chosen = replace(chosen, goals=str(goals))
    chosen = replace(chosen, goals_norm=norm or chosen.goals_norm, goals_most=most or chosen.goals_most)
    if not chosen.goals and (chosen.goals_norm or chosen.goals_most):
        raise SettingsError("--norm and --most go with --goals FILE; leave them out to attack the charter's probes")
    for name in chosen.attacks:
        plugin.load("attack", name)
    with session(charter, model=model, out=out, chosen=chosen, key=key, verb="attack", quiet=json, on=on) as run:
        subject = "guarded" if guard else "before"
        records = attacked(run, model=run.model, subject=subject, guard=guard)
        payloads = [run.ledger.payload(record) for record in records]
        tried = unbiased(row for p in payloads for row in p.get("lanes", p["rows"]))
        found = [c for c in claims(run.ledger, run.loaded.charter) if c.id.startswith("attack/") and c.estimate]
        append_claims(run.ledger, found)
        errors = detector_error.known(run.loaded.charter, tried, labels)
        folder = run.folder
    whole = next(c.state for c in found if c.id == f"attack/{subject}")
    if json:
        measured = effort.measured(tried)
        console.result_json({"folder": str(folder), "claims": found, "effort": measured, "detectors": errors})
    else:
        rows = [(c.target or "all", c.state, console.shown(c.estimate), c.sentence) for c in found]
        console.table(f"{run.loaded.charter.name}: attacks", ("norm", "state", "success", "claim"), rows)
        effort.table(effort.measured(tried), "Goals broken within so many tries, and the tries by which half were")
        detector_error.table(errors)
        if show:
            effort.texts(tried)
        console.result(f"Evidence: {folder / 'evidence'}; findings: gnomon findings {folder}")
    raise typer.Exit({"satisfied": EXIT_MET, "not satisfied": EXIT_NOT_MET}.get(whole, EXIT_INCONCLUSIVE))
