"""What a round of hardening learns from: findings and benign requests in the same words as pairs; rules for the guard.

All of it is of the train families. Pairs are made by the rules of `training.pairs`, and judged as evaluation judges.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.cli import judging
from gnomon.cli.hardening_attacks import Sources, reworn
from gnomon.cli.stages import Run, repeated, thinned
from gnomon.core.canonical import digest, to_builtins
from gnomon.core.protocols import Goal
from gnomon.core.types import Case, Json, Record, Transcript
from gnomon.guard.found_rules import Broken, FoundRule, found_rules
from gnomon.redteam.findings import Finding
from gnomon.redteam.transfer import prompt
from gnomon.redteam.words import content
from gnomon.training import pairs

if TYPE_CHECKING:
    from gnomon.models.local import LocalModel
    from gnomon.training.checkpoint import Checkpoint

FALLBACK = "dpo"
"""The method where the run's own learns from its samples or makes a judge, and so from no pairs."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """Findings, and what is needed to put benign requests into the same words."""

    findings: Sequence[Finding]
    sources: Sources
    rehearsed: int


def trained(
    run: Run, material: Material, subject: str, loop: str, parents: Sequence[str]
) -> "tuple[LocalModel, Record]":
    """Train the run's model on pairs from findings and write it as a folder; that model, and its `weights` record."""
    from gnomon.cli import aligning_offline
    from gnomon.cli.aligning import JUDGES, SAMPLED
    from gnomon.cli.checkpoints import local
    from gnomon.core import plugin
    from gnomon.models.local import open_folder

    labels = {"subject": subject, "loop": loop}
    made = paired(run, material)
    kept = run.ledger.append(
        kind="hardening-pairs",
        labels=labels,
        payload={"rows": to_builtins(made.rows), "skipped": dict(made.skipped), "findings": _ids(material)},
        parents=list(parents),
    )
    loss = plugin.build("loss", run.settings.method, run.settings.loss_settings)
    if loss.READS in (*SAMPLED, *JUDGES):
        run = replace(run, settings=replace(run.settings, method=FALLBACK, loss={}, loop={}))
        loss = plugin.build("loss", FALLBACK, run.settings.loss_settings)
    examples = aligning_offline.encoded(made.rows, loss, local(run))
    loop_ = aligning_offline.loop_settings(run, len(examples))
    state = aligning_offline.fitted(run, loss, examples, loop_)
    trained_ = run.ledger.append(
        kind="hardening-training",
        labels=labels,
        payload={
            "method": run.settings.method,
            "settings": {"loss": to_builtins(loss), "loop": to_builtins(loop_), "weights": run.settings.weights},
            "examples": len(examples),
            "log": to_builtins(state.log),
            "checkpoints": to_builtins(state.checkpoints),
        },
        parents=[kept.id],
    )
    weights = _released(run, state.checkpoints[-1], trained_, labels)
    dtype = str(local(run).model.dtype).removeprefix("torch.")
    name = f"{local(run).identity['name'].partition('+')[0]}+{'-'.join(subject.split('/'))}"
    return open_folder(run.folder / "model", name=name, dtype=dtype, device=str(local(run).device)), weights


def _released(run: Run, checkpoint: "Checkpoint", training: Record, labels: Mapping[str, str]) -> Record:
    """The model folder of a round, written once; the `weights` record."""
    from gnomon.cli.checkpoints import local, trainable
    from gnomon.models import adapters
    from gnomon.training.checkpoint import restore_weights

    known = [r for r in run.ledger.find("weights", **labels) if training.id in r.parents]
    if known and (run.folder / "model").is_dir():
        return known[-1]
    with trainable(run) as (model, adapter):
        restore_weights(run.folder / "work" / "training" / checkpoint.folder, model.model, adapter)
        files = adapters.write_folder(model.model, adapter, local(run).tokenizer, run.folder / "model")
    folder = Path(*run.folder.parts[-2:], "model")
    payload = {"folder": str(folder), "step": checkpoint.step, "digest": checkpoint.weights, "files": files}
    return run.ledger.append(kind="weights", labels=labels, payload=payload, parents=[training.id])


def paired(run: Run, material: Material) -> pairs.Made:
    """Pairs of findings, of benign requests in the same words, and of plain cases."""
    asked = [*benign(run, material), *rehearsal(run, material.rehearsed)]
    drawn = repeated(
        run,
        model=run.model,
        cases=asked,
        copies=run.settings.samples,
        sampling=run.settings.sampling,
        title="Replies to benign requests in attacks' words",
    )
    broken = [(case, [case.prompt.answered(f.reply)]) for case, f in breaking(material)]
    return judging.paired(run.loaded.charter, [*broken, *drawn], seed=run.settings.seed)


def breaking(material: Material) -> Iterator[tuple[Case, Finding]]:
    """Each finding's conversation as a case of its norm."""
    for f in material.findings:
        yield (
            Case(id=f"{f.goal}~{f.id}", target=f.norm, kind="probe", family=f.family, split="train", prompt=f.prompt),
            f,
        )


def benign(run: Run, material: Material) -> Iterator[Case]:
    """For each finding a lookalike of the train families, its twin where there is one, in the same attack's words."""
    lookalikes: dict[str, list[Case]] = {}
    for case in run.cases("train", ["lookalike"]):
        lookalikes.setdefault(case.target, []).append(case)
    for number, f in enumerate(material.findings):
        own = lookalikes.get(f.norm, [])
        twins = [case for case in own if case.twin == f.family] or own
        if not twins:
            continue
        case = twins[number % len(twins)]
        sent = reworn(f, case.prompt, material.sources)
        if sent is not None:
            yield replace(case, id=f"{case.id}~{f.id}", prompt=sent)


def rehearsal(run: Run, most: int) -> tuple[Case, ...]:
    """Plain benign cases, so that what was learned before is not lost; none where `most` is 0."""
    return thinned(run.cases("train", ("lookalike", "preference")), most) if most else ()


def ruled(run: Run, rows: Sequence[Json], aims: Sequence[Goal], least: int) -> tuple[FoundRule, ...]:
    """Rules for the guard from what broke; they stop no benign case of the train families."""
    goals = {goal.id: goal for goal in aims}
    broken = [_broken(row, goals[row["goal"]]) for row in rows if row["broke"] is not None]
    plain: list[Transcript] = [c.prompt for c in run.cases("train", ("lookalike", "preference"))]
    return found_rules(broken, plain, least=least)


def _broken(row: Json, goal: Goal) -> Broken:
    sent = prompt(row)
    asked = goal.prompt.request
    made = digest([goal.id, sent.id])[:12]
    return Broken(id=made, norm=goal.norm, goal=goal.id, prompt=sent, own=content(asked), asked=asked)


def _ids(material: Material) -> list[str]:
    return [f.id for f in material.findings]
