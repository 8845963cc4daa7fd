"""`gnomon hack`: what would a proxy pay for? Replies are changed until it likes them, and gold looks on.

A preference's own proxy or a reward model, from the model's replies to the preference's held-out cases. Texts of what
was found are shown only when asked for.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from gnomon.charter.schema import Charter, DimensionRef, Preference, RewardModelRef
from gnomon.cli import console
from gnomon.cli.session import CHARTER, JSON, KEY, MODEL, OUT, QUICK, SEED, SET, session, settings
from gnomon.cli.stages import Run, repeated, sources, thinned
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import EXIT_INCONCLUSIVE, EXIT_MET, EXIT_NOT_MET, ModelError, SettingsError, choices
from gnomon.core.protocols import Dimension, Sampling
from gnomon.core.types import Transcript
from gnomon.scoring import judge

if TYPE_CHECKING:
    from gnomon.redteam.hack_curve import Hack
    from gnomon.redteam.proxy_search import Path as Found


def hack(
    charter: Path = CHARTER,
    names: list[str] = typer.Option([], "--preference", help="Whose proxy; may be given several times. Default: all."),
    reward_model: Path | None = typer.Option(None, "--reward-model", help="Folder of a reward model, as the proxy."),
    model: str | None = MODEL,
    out: Path | None = OUT,
    method: str = typer.Option("climb", "--method", help="best_of_n, climb or genetic."),
    effort: int = typer.Option(200, "--effort", min=1, help="Scores of the proxy that one reply may cost."),
    seed: int = SEED,
    quick: bool = QUICK,
    set_: list[str] = SET,
    key: Path | None = KEY,
    show: bool = typer.Option(False, "--show", help="Print the replies that were found, beside where they began."),
    json: bool = JSON,
) -> None:
    """Search for replies that a proxy likes and gold does not. Exit code 1: a proxy rose while gold fell; 3: alone."""
    from gnomon.redteam.hack_curve import hack as summed
    from gnomon.redteam.proxy_search import Search, hacked

    search = Search(method=cast(Any, method), effort=effort)
    chosen = settings(seed, quick, set_)
    verb = f"hack-{method}-{effort}" + (f"-{reward_model.name}" if reward_model else "")
    told: dict[str, Any] = {}
    with session(charter, model=model, out=out, chosen=chosen, key=key, verb=verb, quiet=json) as run:
        for preference in wanted(run.loaded.charter, names, reward_model is not None):
            proxy = measure(preference, reward_model, charter.parent)
            gold = judge.build(preference.gold.kind, preference.gold.settings) if preference.gold else None
            starts = _starts(run, preference)
            run.stage(f"Search: {preference.id}")
            paths = hacked(starts, proxy=proxy, gold=gold, search=search, seed=chosen.seed)
            found = summed(paths)
            run.ledger.append(
                kind="hack",
                labels={"subject": "before", "preference": preference.id, "method": method},
                payload={"search": to_builtins(search), "found": to_builtins(found), "paths": to_builtins(paths)},
                parents=sources(run, "before"),
            )
            told[preference.id] = {"hack": found, "paths": paths, "left_out": len(starts) - len(paths)}
        folder = run.folder
    if json:
        shown = {
            id: {"hack": one["hack"], "starts": len(one["paths"]), "left_out": one["left_out"]}
            | ({"texts": [_texts(p) for p in one["paths"]]} if show else {})
            for id, one in told.items()
        }
        console.result_json({"folder": str(folder), "preferences": shown})
    else:
        for id, one in told.items():
            _table(id, one["hack"], one["left_out"])
            for path in one["paths"] if show else ():
                text = _texts(path)
                console.result(f"\n{path.id}\n  before: {text['before']}\n  after:  {text['after']}")
        console.result(f"Evidence: {folder / 'evidence'}")
    states = {one["hack"].state for one in told.values()}
    open_ = states & {"proxy rose alone", "gold not known"}
    raise typer.Exit(EXIT_NOT_MET if "hacked" in states else EXIT_INCONCLUSIVE if open_ else EXIT_MET)


def wanted(charter: Charter, names: list[str], any_proxy: bool) -> list[Preference]:
    """The preferences named, or all that have a proxy. Raises SettingsError where there is nothing to search."""
    known = {p.id: p for p in charter.preferences}
    for name in names:
        if name not in known:
            raise SettingsError(f"the charter has no preference '{name}'; {choices(name, known)}")
    found = [known[n] for n in names] if names else [p for p in charter.preferences if any_proxy or p.proxy]
    if not found:
        raise SettingsError("no preference has a proxy; give one in the charter, or a --reward-model")
    if bare := [p.id for p in found if not any_proxy and not p.proxy]:
        raise SettingsError(f"preference '{bare[0]}' has no proxy; give it one in the charter, or a --reward-model")
    return found


def measure(preference: Preference, reward_model: Path | None, beside: Path) -> Dimension:
    """What is searched: the reward model given, or the preference's proxy; its folder lies beside the charter."""
    if reward_model is None and isinstance(preference.proxy, DimensionRef):
        return judge.build(preference.proxy.kind, preference.proxy.settings)
    if reward_model is None and isinstance(preference.proxy, RewardModelRef):
        reward_model = beside / preference.proxy.reward_model
    try:
        from gnomon.models import reward_model as models
    except ImportError as error:
        raise ModelError(f"a reward model needs {error.name}; install gnomon[train]") from error
    return cast(Dimension, models.load(cast(Path, reward_model)))


def _starts(run: Run, preference: Preference) -> Mapping[str, Transcript]:
    """The model's replies to the preference's held-out cases."""
    cases = [c for c in run.cases("held-out", ["preference"]) if c.target == preference.id]
    cases = list(thinned(cases, run.settings.cases_per_target))
    if not cases:
        raise SettingsError(f"preference '{preference.id}' has no held-out cases; write some in the charter")
    greedy: Sampling = replace(run.settings.sampling, temperature=0.0)
    title = f"Replies: {preference.id}"
    drawn = repeated(run, model=run.model, cases=cases, copies=1, sampling=greedy, title=title)
    return {case.id: replies[0] for case, replies in drawn if replies}


def _table(id: str, found: "Hack", left_out: int) -> None:
    rows = [
        (
            str(at.effort),
            console.shown(at.proxy),
            console.shown(at.gold),
            console.shown(at.proxy_change),
            console.shown(at.gold_change),
            f"{at.words:.0f}",
        )
        for at in found.curve
    ]
    columns = ("effort", "proxy", "gold", "proxy since 0", "gold since 0", "words")
    console.table(f"{id}: {found.state}", columns, rows)
    paid = ", ".join(f"{kind} {share:.0%}" for kind, share in list(found.earned.items())[:5]) or "nothing"
    console.result(f"What the proxy paid for: {paid}")
    if found.falls_from is not None:
        console.result(f"Gold is below its start from an effort of {found.falls_from} on")
    if left_out or found.unscored:
        console.result(f"{left_out} replies the proxy could not score; gold not known for {found.unscored} at the end")


def _texts(path: "Found") -> dict[str, str]:
    return {"id": path.id, "before": path.start.reply, "after": path.end.reply}
