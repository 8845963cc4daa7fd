"""`gnomon findings`: what attacks found, each thing once, for a person or a pipeline; from a run or another's results.

Texts of prompts and replies are left out unless asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from gnomon.charter.severity import severity
from gnomon.cli import console
from gnomon.cli.ledger import JSON, evidence
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import EXIT_MET, DataError, SettingsError, choices
from gnomon.core.files import json_text, write_atomic
from gnomon.core.types import Json

if TYPE_CHECKING:
    from gnomon.redteam.findings import Finding

FORMATS = ("garak", "sarif", "junit")


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Rows of attacks and what is known about them."""

    name: str
    rows: Sequence[Json]
    charter: Mapping[str, Any] | None = None
    model: str = ""
    seed: int = 0
    sampling: Mapping[str, Json] = field(default_factory=dict)
    guard: bool = False
    tries: int = 1
    more: tuple[str, ...] = ()
    """Further options of the command that finds it again."""
    made: str = ""
    verb: Literal["attack", "memory"] = "attack"
    """What was run."""
    records: tuple[str, ...] = ()


def findings(
    source: Path = typer.Argument(..., metavar="RUN", help="A run, or results of garak, promptfoo or PyRIT."),
    format: str = typer.Option("", "--format", help="garak (JSON lines), sarif or junit, instead of a table."),
    where: str = typer.Option("charter.yaml", "--charter", help="The charter's path, as commands and SARIF name it."),
    model: str = typer.Option("", "--model", help="The model as commands name it; a run records no path of it."),
    subject: str = typer.Option("", "--subject", help="before, after or guarded. Default: attacked last."),
    out: Path | None = typer.Option(None, "--out", help="Write it here instead of standard output."),
    cases: bool = typer.Option(False, "--cases", help="Print each as YAML to paste under its norm's probes (texts!)."),
    minimise: int = typer.Option(0, "--minimise", min=0, help="Shorten each prompt in so many tests; asks --model."),
    show: bool = typer.Option(False, "--show", help="With the texts of prompts and replies."),
    json: bool = JSON,
) -> None:
    """List what attacks broke: each thing once, the worst first. Exit code 0 whatever there is."""
    from gnomon.redteam.findings import regression

    if format and format not in FORMATS:
        raise SettingsError(f"there is no format '{format}'; {choices(format, FORMATS)}")
    known = _foreign(source) if source.is_file() else _run(source, subject)
    found = _found(known, where, model)
    if minimise:
        found = _shortened(known, found, model, minimise)
    if format or cases:
        pasted = [] if format else [f"# {f.norm}\n{regression(f)}" for f in found]
        text = _written(format, known, found, where, show) if format else "".join(pasted)
        write_atomic(out, text) if out else console.result(text.rstrip("\n"))
    elif json:
        console.result_json({"source": str(source), "findings": [_plain(f, show) for f in found]})
    else:
        _table(known, found, show)
    raise typer.Exit(EXIT_MET)


def _foreign(path: Path) -> _Source:
    from gnomon.redteam.formats.detect import read

    name, rows = read(path)
    return _Source(name=f"{name}: {path.name}", rows=rows)


def _run(folder: Path, subject: str) -> _Source:
    from gnomon.ledger.store import Ledger

    with Ledger.read(evidence(folder)) as ledger:
        records = ledger.find("attack", **({"subject": subject} if subject else {}))
        if not records:
            raise DataError(f"{folder}: no attack on '{subject or 'anything'}' is recorded; run: gnomon attack CHARTER")
        subject = records[-1].labels["subject"]
        latest = {r.labels["attack"]: r for r in records if r.labels["subject"] == subject}
        payloads = [ledger.payload(r) for r in latest.values()]
        charter, settings, model = (
            ledger.payload(ledger.find(kind)[-1]) if ledger.find(kind) else {}
            for kind in ("charter", "settings", "model")
        )
        budget = payloads[-1]["budget"]
        # The stage of `gnomon memory` says with which options it was asked.
        again = payloads[-1].get("again", ())
        return _Source(
            name=f"{charter.get('name', folder.name)}: {subject}",
            rows=[row for p in payloads for row in p["rows"]],
            charter=charter.get("charter"),
            model=model.get("name", ""),
            seed=settings.get("seed", 0),
            sampling={k: settings[k] for k in ("max_new_tokens", "temperature", "seed") if k in settings},
            guard="guarded" in subject,
            tries=budget["tries"] if isinstance(budget, dict) else budget,
            more=tuple(again) or (*(("--guard",) if subject == "guarded" else ()), *_whence(settings)),
            verb="memory" if again else "attack",
            made=max(e.recorded_at for e in ledger.entries()),
            records=tuple(r.id for r in latest.values()),
        )


def _whence(settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Options that say where goals came from, if it was a file."""
    if not settings.get("goals"):
        return ()
    named = (("--norm", settings.get("goals_norm")), ("--most", settings.get("goals_most")))
    return ("--goals", str(settings["goals"]), *(word for name, v in named if v for word in (name, str(v))))


def _found(known: _Source, where: str, model: str) -> "list[Finding]":
    from gnomon.redteam.findings import command, found

    norms = (known.charter or {}).get("norms", ())
    bad = {n["id"]: severity(n["on_breach"], n.get("severity")) for n in norms}
    listed = found(known.rows, severity=bad, records=known.records)
    if not known.records:
        return listed
    return [
        replace(
            f,
            command=command(
                f, charter=where, model=model, tries=known.tries, seed=known.seed, more=known.more, verb=known.verb
            ),
        )
        for f in listed
    ]


def _shortened(known: _Source, found: "Sequence[Finding]", model: str, most: int) -> "list[Finding]":
    from gnomon.charter.compile import policy
    from gnomon.charter.schema import Charter
    from gnomon.cli.environment import environment
    from gnomon.cli.minimising import shortest
    from gnomon.core.protocols import Sampling
    from gnomon.guard.model import Guarded
    from gnomon.models.load import load

    if known.charter is None:
        raise SettingsError("only findings of a run can be shortened: results of another program hold no detector")
    here = environment(None)
    target: Any = load(model or None, cache=here.home, api_key=here.token)
    if known.guard:
        target = Guarded(model=target, policy=policy(Charter.model_validate(known.charter)))
    listed = []
    for finding, said in shortest(
        found, charter=known.charter, model=target, sampling=Sampling(**known.sampling), most=most
    ):
        console.say(f"{finding.id}: {said}")
        listed.append(finding)
    return listed


def _written(format: str, known: _Source, found: "Sequence[Finding]", where: str, texts: bool) -> str:
    from gnomon.redteam.formats import garak, written

    if format == "garak":
        run = known.records[-1][:16] if known.records else known.name
        return garak.text(known.rows, model=known.model, run=run, created=known.made, texts=texts)
    if format == "junit":
        return written.junit_text(found, name=known.name, created=known.made, texts=texts)
    said = {n["id"]: n["statement"] for n in (known.charter or {}).get("norms", ())}
    return json_text(written.sarif(found, statements=said, source=where, model=known.model, texts=texts))


def _plain(finding: "Finding", texts: bool) -> dict[str, Json]:
    whole: dict[str, Json] = to_builtins(finding)
    return whole if texts else {k: v for k, v in whole.items() if k not in ("prompt", "reply")}


def _table(known: _Source, found: "Sequence[Finding]", texts: bool) -> None:
    rows = [
        (f.id, f.severity, f.norm, ", ".join(f.attacks), f.goal, str(f.tries), str(f.times), " ".join(f.taxonomy))
        for f in found
    ]
    columns = ("finding", "severity", "norm", "attacks", "goal", "tries", "times", "taxonomy")
    console.table(f"{known.name}: {len(found)} findings in {len(known.rows)} attacks on goals", columns, rows)
    for finding in found if texts else ():
        console.result(f"\n{finding.id}: {finding.command}")
        for message in finding.prompt.messages:
            console.result(f"  {message.role}: {message.content}")
        console.result(f"  reply: {finding.reply}")
