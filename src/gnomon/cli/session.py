"""What run, evaluate, align and attack share: options, the run's folder, and its ledger, model and progress.

A run's name is made from what it depends on (charter, model, settings, program), so that the same command finds the
same folder and goes on there, and a changed one never mixes with old evidence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import typer

from gnomon.charter.load import Loaded, load
from gnomon.cli import console
from gnomon.cli.environment import environment
from gnomon.cli.settings import RunSettings, quick
from gnomon.cli.stages import Run, opened
from gnomon.core import settings as core_settings
from gnomon.core.canonical import code_digest, digest, sha256, to_builtins
from gnomon.core.files import storage
from gnomon.ledger.store import Ledger
from gnomon.models.load import load as load_model

CHARTER = typer.Argument(..., metavar="CHARTER", help="The charter to hold the model to.")
MODEL = typer.Option(
    None, "--model", help="embedded (default), a folder, a hub id, http://host/v1#name, or scripted:FILE."
)
OUT = typer.Option(None, "--out", help="The run's folder; default runs/ID.")
SEED = typer.Option(0, "--seed", help="Root of every random stream.")
QUICK = typer.Option(False, "--quick", help="Fewer of everything: a first look, with wide intervals.")
SET = typer.Option([], "--set", metavar="NAME=VALUE", help="Change a setting; may be given several times.")
KEY = typer.Option(None, "--key", help="Signing key; made on first use. Default: $GNOMON_KEY, or in $GNOMON_HOME.")
ON = typer.Option("local", "--on", help="Where to ask: local, processes:4, ray, ray:auto or ray://host:10001.")
JSON = typer.Option(False, "--json", help="Print one JSON document instead of text.")


def settings(seed: int, small: bool, pairs: list[str]) -> RunSettings:
    """Settings from the command line. Raises SettingsError that lists the real names."""
    start = RunSettings(seed=seed)
    start = quick(start) if small else start
    values = to_builtins(start) | core_settings.parse_pairs(pairs)
    return core_settings.make(RunSettings, values, name="the run")


@contextmanager
def session(
    charter: Path,
    *,
    model: str | None,
    out: Path | None,
    chosen: RunSettings,
    key: Path | None,
    verb: str,
    quiet: bool,
    follows: bool = False,
    on: str = "local",
) -> Iterator[Run]:
    """A run's folder, opened: one writer at a time, everything recorded from the charter on.

    `on`: where cases are asked; it is no part of the run's identity, since the answers are the same. `follows`: this
    process helps another one, which writes: it has no ledger and shows nothing.
    """
    here = environment(key)
    loaded = load(charter)
    folder = out or Path("runs") / identity(loaded, model, chosen, verb)
    with console.bars(quiet=quiet or follows) as bars:
        bars.stage("Load the model")
        start = load_model(model, cache=here.home, api_key=here.token, remote=chosen.remote)
        if follows:
            nothing = cast(Ledger, None)
            yield Run(folder=folder, loaded=loaded, model=start, settings=chosen, ledger=nothing, stage=bars.stage)
            return
        attacker = None
        if chosen.attacker:
            bars.stage("Load the attacker's model")
            attacker = load_model(chosen.attacker, cache=here.home, api_key=here.token, remote=chosen.remote)
        with Ledger.open(folder / "evidence", key=here.key) as ledger:
            run = Run(
                folder=folder,
                loaded=loaded,
                model=start,
                settings=chosen,
                ledger=ledger,
                stage=bars.stage,
                on=on,
                attacker=attacker,
            )
            run.elsewhere()
            opened(run)
            yield run


def identity(loaded: Loaded, model: str | None, chosen: RunSettings, verb: str) -> str:
    """The name of a run: the charter's name, and the start of a digest of all that it depends on."""
    depends: dict[str, Any] = {
        "charter": loaded.digest,
        "model": model or "embedded",
        "settings": to_builtins(chosen),
        "code": code_digest(),
        "verb": verb,
    }
    if chosen.goals:
        with storage(Path(chosen.goals)):
            depends["goals"] = sha256(Path(chosen.goals).expanduser().read_bytes())
    return f"{loaded.charter.name}-{'' if verb == 'run' else verb + '-'}{digest(depends)[:8]}"
