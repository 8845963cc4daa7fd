"""`gnomon limits RUN`: the limit certificate of a run, computed anew from its records, printed and drawn.

It measures nothing and trains nothing. Only `--price` and `--turns` write to the ledger, and the certificate with it.
Fails: a folder without evidence is a StorageError; evidence that holds nothing about a limit is a DataError.
"""

from pathlib import Path

import typer

from gnomon.charter.schema import Charter
from gnomon.cli import console
from gnomon.cli.environment import environment
from gnomon.cli.ledger import FOLDER, JSON, evidence
from gnomon.core.canonical import from_builtins, to_builtins
from gnomon.core.errors import EXIT_MET, DataError
from gnomon.core.files import read_json, write_atomic
from gnomon.core.types import Estimate, Json
from gnomon.ledger.store import Ledger

KEY = typer.Option(None, "--key", help="The key that signs the run's ledger, where something is recorded.")
PRICE = typer.Option(None, "--price", metavar="FILE", help="First record this price sweep (JSON) in the ledger.")
TURNS = typer.Option(None, "--turns", metavar="FILE", help="First judge and record these conversations (JSONL).")


def limits(
    folder: Path = FOLDER,
    price: Path | None = PRICE,
    turns: Path | None = TURNS,
    key: Path | None = KEY,
    json: bool = JSON,
) -> None:
    """Print and draw how far optimisation may go: curves, fit or refusal, stop, room, warnings."""
    from gnomon.limits.certificate import build
    from gnomon.web.figures import limit_page

    place = evidence(folder)
    if price or turns:
        record(place, price, turns, key)
    ledger = Ledger.read(place)
    certificate = to_builtins(build(ledger=ledger, charter=charter_of(ledger))[0])
    if not (certificate["optimisers"] or certificate["price"] or certificate["horizon"]):
        raise DataError(
            f"{place}: no record says anything about a limit: no checkpoints, no samples for best-of-n, no turns, "
            "no price sweep; gnomon run makes the first two, --turns FILE and --price FILE add the others"
        )
    picture = (place.parent if place.name == "evidence" else place) / "limits.svg"
    drawn = limit_page(certificate)
    if drawn:
        write_atomic(picture, drawn)
    if json:
        console.result_json(certificate)
    else:
        show(certificate)
        if drawn:
            console.result(f"Drawn: {picture}")
    raise typer.Exit(EXIT_MET)


def charter_of(ledger: Ledger) -> Charter:
    """The charter on record."""
    found = ledger.find("charter")
    if not found:
        raise DataError(
            f"{ledger.folder}: no charter is on record, so there is no line to stop at; start with gnomon run"
        )
    return Charter.model_validate(ledger.payload(found[-1])["charter"])


def record(place: Path, price: Path | None, turns: Path | None, key: Path | None) -> None:
    """Append what is given, the certificate that holds it, and the claims anew where there are some."""
    from gnomon.assurance.claims import append_claims, claims
    from gnomon.cli.turns import judged_turns
    from gnomon.limits.certificate import certify
    from gnomon.limits.price import read

    charter = charter_of(Ledger.read(place))
    found: list[tuple[str, dict[str, str], Json]] = []
    if price:
        found.append(("price_invariance", {}, to_builtins(read(read_json(price), str(price)))))
    if turns:
        found.append(("turns", {"subject": turns.stem}, judged_turns(turns, charter)))
    with Ledger.open(place, key=environment(key).key) as ledger:
        for kind, labels, payload in found:
            above = [r.id for r in ledger.find("charter")[-1:]] if kind == "turns" else []
            ledger.append(kind=kind, labels=labels, payload=payload, parents=above)
        certify(ledger=ledger, charter=charter)
        if ledger.find("claim"):
            append_claims(ledger, claims(ledger, charter))


def show(certificate: Json) -> None:
    """A table for each optimiser, then what the certificate says of it."""
    from gnomon.assurance import limit_sentences

    for optimiser in certificate["optimisers"]:
        rows = [
            (
                f"{p['label']}{' (stop)' if p['label'] == optimiser['stop'] else ''}",
                *(_short(p[name]) for name in ("distance", "gold", "proxy")),
                max(((e["value"], f"{norm} {_short(e)}") for norm, e in p["norms"].items()), default=(0, "–"))[1],
                ", ".join(v["norm"] for v in optimiser["vetoes"].get(p["label"], ())) or "none",
            )
            for p in optimiser["points"]
        ]
        console.table(optimiser["name"], ("point", "d", "gold", "proxy", "broken most", "vetoed by"), rows)
        console.result(f"{'Stop at ' + optimiser['stop'] if optimiser['stop'] else 'No stop'}: {optimiser['reason']}.")
        for heading, sentence in limit_sentences.of_optimiser(optimiser):
            console.result(f"{heading}: {sentence}")
        console.result("")
    for heading, sentence in limit_sentences.of_certificate(certificate):
        console.result(f"{heading}: {sentence}")


def _short(found: Json) -> str:
    if not found:
        return "–"
    e = from_builtins(found, Estimate)
    if e.unit in ("rate", "gold"):
        return f"{e.value:.1%} [{100 * e.low:.1f}, {100 * e.high:.1f}]"
    return f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]"
