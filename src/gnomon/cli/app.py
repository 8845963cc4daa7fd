"""The `gnomon` command: one verb an engine. Errors become messages and exit codes here and nowhere else.

Exit codes: 0 met, 1 not met, 2 usage or environment (nothing was decided), 3 inconclusive, 4 integrity failure.
Rooms that need torch are imported inside the commands that need them, so that the guard starts without it.
"""

import os
import signal
import sys
from collections.abc import Callable

import typer

from gnomon import __version__
from gnomon.cli import (
    agents,
    align,
    attack,
    attacker,
    canaries,
    causes,
    charter,
    comparing,
    console,
    contamination,
    distil,
    evaluate,
    exchange,
    findings,
    guard,
    hack,
    harden,
    leaks,
    ledger,
    limits,
    memory,
    methods,
    register,
    run,
)
from gnomon.core.errors import GnomonError

HELP = """Charter and model in; aligned model, measured limit, guard and signed evidence out.

Exit codes: 0 met, 1 not met, 2 usage or environment, 3 inconclusive, 4 integrity failure.
"""

EXIT_INTERRUPTED = 130

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)

VERBS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("run", run.run),
    ("init", charter.init),
    ("check", charter.check),
    ("evaluate", evaluate.evaluate),
    ("causes", causes.causes),
    ("score", evaluate.score),
    ("contamination", contamination.contamination),
    ("import", exchange.import_),
    ("export", exchange.export),
    ("register", register.register),
    ("settle", register.settle),
    ("align", align.align),
    ("attacker", attacker.attacker),
    ("distil", distil.distil),
    ("effort", comparing.compared),
    ("methods", methods.methods),
    ("attack", attack.attack),
    ("agents", agents.agents),
    ("memory", memory.memory),
    ("findings", findings.findings),
    ("harden", harden.harden),
    ("hack", hack.hack),
    ("canaries", canaries.canaries),
    ("leaks", leaks.leaks),
    ("limits", limits.limits),
    ("verify", ledger.verify),
    ("report", ledger.report),
    ("plugins", charter.plugins),
)
for name, verb in VERBS:
    app.command(name)(verb)
app.add_typer(guard.app, name="guard")
app.add_typer(ledger.app, name="ledger")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """Options that stand before the verb."""
    if version:
        console.result(f"gnomon {__version__}")
        raise typer.Exit


class Interrupted(BaseException):
    """Control-C or a polite kill; no handler of errors on the way may take it for one."""


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


def main() -> None:
    """Run the command line; every deliberate error ends in one clear message and its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except GnomonError as error:
        console.say(f"gnomon: {error}")
        sys.exit(error.exit_code)
    except Interrupted:
        console.say("gnomon: interrupted; the same command goes on where this one stopped")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; writing to it again at exit would only complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
