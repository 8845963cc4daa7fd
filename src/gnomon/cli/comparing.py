"""`gnomon effort`: success against effort of recorded attacks; two runs at equal effort, repeats, and transfer.

It reads evidence and attacks nothing, but for `--transfer`, which sends what broke to other models. Of a bandit's tries
only those count that no outcome had a say in.
Fails: closed; runs with no attack on a goal in common, or efforts that rows do not tell, are a DataError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import typer

from gnomon.cli import console, effort
from gnomon.cli.ledger import JSON, evidence
from gnomon.core.errors import EXIT_MET, DataError, SettingsError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Json
from gnomon.redteam.effort import Row, total_spent, unbiased
from gnomon.redteam.success import KS, Budget, Compared, compare, repeated, success
from gnomon.redteam.transfer import Cell, matrix, replay

BY = ("tries", "tokens", "money", "seconds")


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """What one run says of attacks on one subject."""

    name: str
    rows: tuple[Row, ...]
    """Of the first repeat, as far as rates may be made of them."""
    repeats: tuple[tuple[Row, ...], ...]
    """Of all repeats, the first among them."""
    spent: Mapping[str, Json]
    ended: tuple[str, ...]
    charter: Mapping[str, Json]
    sampling: Mapping[str, Json]
    bandit: bool


def compared(
    runs: list[str] = typer.Argument(..., metavar="RUN...", help="Runs with attacks; RUN:SUBJECT names one subject."),
    by: str = typer.Option("tries", "--by", help="What effort is counted in: tries, tokens, money or seconds."),
    within: float = typer.Option(0, "--within", min=0, help="Compare at this effort; 0 = the most that both made."),
    transfer: list[str] = typer.Option(
        [], "--transfer", metavar="MODEL", help="Send what broke each run to this model, too; as --model writes it."
    ),
    json: bool = JSON,
) -> None:
    """Success against effort of recorded attacks, with intervals and n; more runs: each against the first, in pairs."""
    if by not in BY:
        raise SettingsError(f"there is no effort in '{by}'; write {', '.join(BY)}")
    counted = cast(Budget, by)
    found = [read(run) for run in runs]
    first = found[0]
    sides = [(other, compare_at(first, other, counted, within)) for other in found[1:]]
    cells = transferred(found, transfer)
    if json:
        console.result_json(
            {
                "runs": [_plain(one, counted) for one in found],
                "compared": [{"before": first.name, "after": o.name, **_flat(c)} for o, c in sides],
                "transfer": cells,
            }
        )
        raise typer.Exit(EXIT_MET)
    for one in found:
        _table(one, counted)
    if sides:
        _compared(first, sides)
    if cells:
        rows = [
            (c.source, c.target, console.shown(c.rate) if c.rate else "nothing broke", str(c.unknown)) for c in cells
        ]
        console.table("What broke a run, sent once to other models", ("broke", "sent to", "breaks", "unknown"), rows)
    raise typer.Exit(EXIT_MET)


def read(run: str) -> Attacked:
    """Attacks of a run on one subject: the named one, else that attacked last."""
    from gnomon.ledger.store import Ledger

    folder, colon, subject = run.rpartition(":")
    if not colon or not Path(folder).exists():
        folder, subject = run, ""
    with Ledger.read(evidence(Path(folder))) as ledger:
        records = ledger.find("attack", **({"subject": subject} if subject else {}))
        if not records:
            raise DataError(f"{folder}: no attack on '{subject or 'anything'}' is recorded; run: gnomon attack CHARTER")
        subject = records[-1].labels["subject"]
        latest = {r.labels["attack"]: r for r in records if r.labels["subject"] == subject}
        payloads = [ledger.payload(r) for r in latest.values()]
        charter, settings = (
            ledger.payload(ledger.find(kind)[-1]) if ledger.find(kind) else {} for kind in ("charter", "settings")
        )
    rows = [row for p in payloads for row in p.get("lanes", p["rows"])]
    more = max((len(p.get("repeats", ())) for p in payloads), default=0)
    parts = [
        rows,
        *([row for p in payloads if n < len(p.get("repeats", ())) for row in p["repeats"][n]] for n in range(more)),
    ]
    return Attacked(
        name=f"{Path(folder).name}:{subject}",
        rows=tuple(unbiased(rows)),
        repeats=tuple(tuple(unbiased(part)) for part in parts),
        spent=total_spent(row for part in parts for row in part),
        ended=tuple(dict.fromkeys(why for p in payloads for why in p.get("ended", ()))),
        charter=charter.get("charter", {}),
        sampling={k: settings[k] for k in ("max_new_tokens", "temperature", "seed") if k in settings},
        bandit=any("lanes" in p for p in payloads),
    )


def compare_at(before: Attacked, after: Attacked, by: Budget, within: float) -> Compared:
    """Both at the same effort: the given one, else the most that both made."""
    most = [max((_made(row, by) for row in one.rows), default=0.0) for one in (before, after)]
    return compare(before.rows, after.rows, within=within or min(most), by=by)


def hits(one: Attacked, by: Budget) -> list[dict[str, Any]]:
    """hit@k over repeats, for each attack and k, each repeat with all the effort that it made."""
    rows = [row for part in one.repeats for row in part]
    found = []
    for name in dict.fromkeys(row["attack"] for row in rows):
        own = [row for row in rows if row["attack"] == name]
        most = max(_made(row, by) for row in own)
        ks = sorted({k for k in (*KS, len(one.repeats)) if k <= len(one.repeats)})
        found += [{"attack": name, "k": k, "rate": repeated(own, k, within=most, by=by)} for k in ks]
    return found


def transferred(found: Sequence[Attacked], models: Sequence[str]) -> list[Cell]:
    """What broke each run, sent to each model."""
    if not models:
        return []
    from gnomon.charter.schema import Charter
    from gnomon.cli.attacking import judge_of
    from gnomon.cli.environment import environment
    from gnomon.models.load import load

    here = environment(None)
    replayed = {}
    for spec in models:
        model = load(spec, cache=here.home, api_key=here.token)
        for one in found:
            norms = Charter.model_validate(one.charter).norms
            given = replay(one.rows, model=model, judge=judge_of(norms), sampling=Sampling(**one.sampling))
            replayed[one.name, spec] = given
    return matrix(replayed)


def _made(row: Row, by: Budget) -> float:
    value = row.get(by)
    if value is None:
        raise DataError(f"these rows do not say what was spent in {by}; a search tells it when it has such a budget")
    return float(value)


def _plain(one: Attacked, by: Budget) -> dict[str, Json]:
    return {
        "run": one.name,
        "effort": effort.measured(one.rows) if by == "tries" else _steps(one, by),
        "hit_at_k": hits(one, by) if len(one.repeats) > 1 else [],
        "spent": one.spent,
        "ended": one.ended,
    }


def _steps(one: Attacked, by: Budget) -> list[dict[str, Any]]:
    """Success at parts of the most that was spent."""
    listed = []
    for name in dict.fromkeys(row["attack"] for row in one.rows):
        own = [row for row in one.rows if row["attack"] == name]
        most = max(_made(row, by) for row in own)
        listed.append({"attack": name, "success": [success(own, most * part, by=by) for part in (0.1, 0.3, 1.0)]})
    return listed


def _flat(found: Compared) -> dict[str, Any]:
    return {
        "within": found.within,
        "by": found.by,
        "first": found.rates.before,
        "second": found.rates.after,
        "difference": found.rates.difference,
        "only_before": found.only_before,
        "only_after": found.only_after,
        "p": found.p,
        "unpaired": found.unpaired,
    }


def _table(one: Attacked, by: Budget) -> None:
    cut = "; a bandit's first tries only, which no outcome had a say in" if one.bandit else ""
    if by == "tries":
        effort.table(effort.measured(one.rows), f"{one.name}: goals broken within so many tries{cut}")
    else:
        rows = [
            (
                s["attack"],
                *(f"{console.shown(x.rate)} ({x.within:.3g})" for x in s["success"]),
                str(s["success"][-1].unknown),
            )
            for s in _steps(one, by)
        ]
        columns = ("attack", "a tenth", "three tenths", "all", "unknown")
        console.table(f"{one.name}: goals broken within so much of the most {by} (in brackets){cut}", columns, rows)
    if len(one.repeats) > 1:
        listed = [(h["attack"], str(h["k"]), console.shown(h["rate"])) for h in hits(one, by)]
        title = f"{one.name}: at least one of k repeats breaks (n: goals), from {len(one.repeats)} repeats"
        console.table(title, ("attack", "k", "rate"), listed)
    s = one.spent
    money = f", money {s['money']:.4g}" if s["money"] else ""
    why = f"; ended by {', '.join(one.ended)}" if one.ended else ""
    console.result(f"Spent: {s['tries']} tries, {s['tokens']} tokens (counted by {s['counted']}){money}{why}")


def _compared(first: Attacked, sides: Sequence[tuple[Attacked, Compared]]) -> None:
    rows = [
        (
            other.name,
            f"{c.within:g} {c.by}",
            console.shown(c.rates.before),
            console.shown(c.rates.after),
            console.shown(c.rates.difference),
            f"{c.only_before} / {c.only_after}",
            f"{c.p:.3g}",
            str(c.unpaired),
        )
        for other, c in sides
    ]
    columns = ("against", "within", "first", "this", "difference", "only first / only this", "p (McNemar)", "unpaired")
    console.table(f"At equal effort, in pairs of attack and goal, first: {first.name}", columns, rows)
