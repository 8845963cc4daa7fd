"""A model on suites, all of our own or those that are named, and beside a second model; what `gnomon evaluate` does
without a charter.

Killed at any moment, the same command goes on where it stopped: what was answered is not asked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.cli import console
from gnomon.cli.environment import environment
from gnomon.core.canonical import code_digest, digest
from gnomon.core.files import write_atomic
from gnomon.core.protocols import Executor, Sink
from gnomon.core.settings import parse_pairs
from gnomon.ledger.store import Ledger

if TYPE_CHECKING:
    from gnomon.evaluation.profile import Compared, Row

QUICK = 0.25
"""Share of the clusters that `--quick` asks."""
FIRST, SECOND = "model", "against"
"""The subjects of the records."""


def profile(
    *,
    suites: Sequence[str],
    model: str | None,
    against: str | None,
    seed: int,
    quick: bool,
    set_: list[str],
    on: str,
    out: Path | None,
    key: Path | None,
    json: bool,
) -> None:
    """Measure, record, compare, and write the page."""
    from gnomon.evaluation.profile import built, compared, own_suites, rows
    from gnomon.evaluation.profile import profile as measured
    from gnomon.executor.answers import Store
    from gnomon.executor.places import executor
    from gnomon.models.load import load
    from gnomon.web.profile import render

    here, values = environment(key), parse_pairs(set_)
    names, share = list(suites) or own_suites(), QUICK if quick else 1.0
    chosen = built(names, values)
    depends: dict[str, Any] = {"suites": names, "settings": values, "seed": seed, "share": share, "code": code_digest()}
    models = {FIRST: model} | ({SECOND: against} if against else {})
    folder = out or Path("runs") / f"profile-{digest(depends | models)[:8]}"

    def place(sink: Sink) -> Executor | None:
        return None if on == "local" else executor(on, folder=folder / "work" / "shards", sink=sink)

    with console.bars(quiet=json) as bars, Ledger.open(folder / "evidence", key=here.key) as ledger:
        console.say(f"Profile: {folder} (the same command goes on here after an interruption)")
        with Store.open(folder / "work" / "answers") as store:
            for subject, name in models.items():
                bars.stage(f"Load {name or 'the embedded model'}")
                loaded = load(name, cache=here.home, api_key=here.token)
                ledger.append(kind="model", labels={"subject": subject}, payload=dict(loaded.identity))
                measured(
                    suites=chosen,
                    subject=subject,
                    model=loaded,
                    seed=seed,
                    share=share,
                    store=store,
                    ledger=ledger,
                    stage=bars.stage,
                    executor=place,
                )
        bars.stage("Page")
        found = {subject: rows(ledger, subject) for subject in models}
        pairs = compared(ledger, FIRST, SECOND) if against else []
    page = folder / "profile.html"
    write_atomic(page, render(folder / "evidence"))
    if json:
        console.result_json({"folder": str(folder), "page": str(page), **found, "compared": [asdict(c) for c in pairs]})
        return
    _tables(models, found, pairs)
    console.result(f"Page:     {page}")
    console.result(f"Evidence: {folder / 'evidence'}   check it with: gnomon verify {folder}")


def _tables(
    models: Mapping[str, str | None], found: Mapping[str, Sequence["Row"]], pairs: Sequence["Compared"]
) -> None:
    for subject, own in found.items():
        shown = [
            (
                r.measured.dimension,
                console.shown(r.measured.estimate),
                r.measured.direction,
                str(r.measured.missing or ""),
            )
            for r in own
        ]
        title = models[subject] or "embedded"
        console.table(f"{title}: {len(own)} measurements", ("dimension", "estimate", "direction", "missing"), shown)
    if pairs:
        seen = [c for c in pairs if c.q <= 0.05]
        console.table(
            f"Differences with q <= .05: {len(seen)} of {len(pairs)}",
            ("dimension", "second minus first", "better", "q"),
            [
                (
                    c.dimension,
                    console.shown(c.difference),
                    {None: "", True: "second", False: "first"}[c.better],
                    f"{c.q:.3f}",
                )
                for c in seen
            ],
        )
