"""The stages of the main job, each from records to records. They meet in the ledger and nowhere else.

Every stage may be run again: what is done is found by its content and not done twice, so a killed job goes on.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.charter.compile import cases as compiled_cases
from gnomon.charter.compile import policy, spread
from gnomon.charter.load import Loaded
from gnomon.cli import attacking
from gnomon.cli.judging import judged
from gnomon.cli.settings import RunSettings
from gnomon.core import plugin
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import SettingsError, choices
from gnomon.core.protocols import Executor, Goal, Model, Quiet, Sampling, Sink
from gnomon.core.types import Case, CaseKind, Record, Split, Transcript
from gnomon.evaluation.run import answered, evaluate
from gnomon.executor import places
from gnomon.executor.answers import Store
from gnomon.executor.local import Local
from gnomon.ledger.store import Ledger
from gnomon.redteam import goal_files
from gnomon.redteam.goals import goals as probe_goals
from gnomon.scoring import judge

GOALS_AT_ONCE = attacking.GOALS_AT_ONCE
EVERY_KIND: tuple[CaseKind, ...] = ("probe", "lookalike", "preference")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every stage needs to know."""

    folder: Path
    loaded: Loaded
    model: Model
    """The start: the model as it came."""
    settings: RunSettings
    ledger: Ledger
    stage: Callable[[str], Sink]
    """Opens a stage by its title and gives the sink for its progress."""
    attacker: Model | None = None
    """The model that attacks may ask."""

    on: str = "local"
    """Where the cases are asked, as `--on` writes it."""

    def executor(self, sink: Sink) -> Executor:
        """Where shards run; results are kept below the run's folder."""
        return Local(self.folder / "work" / "shards", sink)

    def elsewhere(self) -> Executor | None:
        """Where cases are asked, if not here."""
        return None if self.on == "local" else places.executor(self.on, folder=self.folder / "work", sink=Quiet())

    def answers(self) -> Store:
        """What was answered so far, in the run's folder; opened for writing."""
        return Store.open(self.folder / "work" / "answers")

    def cases(self, split: Split, kinds: Collection[CaseKind] | None = None) -> tuple[Case, ...]:
        """The charter's cases of a split, thinned evenly to the settings' number."""
        return thinned(compiled_cases(self.loaded.charter, split=split, kinds=kinds), self.settings.cases_per_target)


def thinned(cases: Sequence[Case], most: int) -> tuple[Case, ...]:
    """At most `most` cases of each target and kind, spread evenly over families and slots; 0 = all."""
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.target, case.kind), []).append(case)
    return tuple(group[i] for group in groups.values() for i in spread([len(group)], most or None))


def opened(run: Run) -> None:
    """Record what was asked: charter, settings, and the model that it starts from."""
    loaded = run.loaded
    run.ledger.append(
        kind="charter",
        payload={
            "name": loaded.charter.name,
            "source": loaded.source,
            "digest": loaded.digest,
            "charter": loaded.charter.model_dump(mode="json"),
        },
    )
    run.ledger.append(kind="settings", payload=to_builtins(run.settings))
    run.ledger.append(kind="model", labels={"subject": "before"}, payload=dict(run.model.identity))


def measured(
    run: Run,
    *,
    model: Model,
    subject: str,
    split: Split,
    kinds: Collection[CaseKind],
    title: str,
    targets: Collection[str] | None = None,
    cases: Sequence[Case] | None = None,
) -> Record:
    """Ask a model the cases of a split and judge every reply; the `scores` record. `targets`: only of these norms.

    `cases`: these instead of the charter's own.
    """
    sink = run.stage(title)
    with run.answers() as store:
        return evaluate(
            model=model,
            cases=[c for c in cases or run.cases(split, kinds) if targets is None or c.target in targets],
            charter=run.loaded.charter,
            ledger=run.ledger,
            store=store,
            executor=run.executor(Quiet()),
            sampling=run.settings.sampling,
            subject=subject,
            sink=sink,
            elsewhere=run.elsewhere(),
        )


def repeated(
    run: Run, *, model: Model, cases: Sequence[Case], copies: int, sampling: Sampling, title: str
) -> list[tuple[Case, list[Transcript]]]:
    """Several replies to each case, drawn independently; fewer where some could not be had."""
    sink = run.stage(title)
    sink.number("replies.total", len(cases) * copies, "replies", 0)
    with run.answers() as store:
        found = answered({c.id: (c, copies) for c in cases}, model, sampling, store, sink)
    return [(case, list(found[case.id].replies)) for case in cases]


def attacked(run: Run, *, model: Model, subject: str, guard: bool) -> list[Record]:
    """Replay the settings' attacks on a model, behind the guard or not; an `attack` record each, or one of a bandit."""
    settings, charter = run.settings, run.loaded.charter
    goals = aims(run)
    attacks = {name: plugin.build("attack", name, settings.attack.get(name, {})) for name in settings.attacks}
    budget, plan = attacking.budget_of(settings), attacking.plan_of(settings)
    sink = run.stage(f"Attacks: {subject}")

    def told(done: int, total: int) -> None:
        sink.number("attacks.total", total, "attacks on goals", 0)
        sink.number("attacks.done", done, "attacks on goals", done)

    strike = attacking.Strike(
        model=model,
        policy=policy(charter) if guard else None,
        norms=charter.norms,
        attacks=attacks,
        attacker=run.attacker,
        budget=budget,
        plan=plan,
        sampling=settings.sampling,
        seed=settings.seed,
        folder=run.folder / "work" / "answers",
        told=told if run.on in ("", "local") else None,
    )
    found = attacking.struck(strike, goals, settings=settings, on=run.on, work=run.folder / "work", sink=sink)
    # Where goals come from a file, the record says of which, since nothing else in the evidence holds them all.
    whence = {"file": Path(settings.goals).name, "digest": goal_files.digest(goals), "n": len(goals)}
    asked_for = {"goals": whence} if settings.goals else {}
    parents = sources(run, subject)
    if guard:
        kept = run.ledger.append(
            kind="decisions", labels={"subject": subject}, payload={"rows": found.decisions}, parents=parents
        )
        parents = [*parents, kept.id]
    return [
        run.ledger.append(
            kind="attack", labels={"subject": subject, "attack": payload["attack"]}, payload=payload, parents=parents
        )
        for payload in attacking.payloads(found, settings.attacks, budget=budget, plan=plan, more=asked_for)
    ]


def aims(run: Run) -> tuple[Goal, ...]:
    """What is attacked: the goals of the settings' file, else held-out probes of each norm."""
    settings, charter = run.settings, run.loaded.charter
    if not settings.goals:
        return probe_goals(run.cases("held-out", ["probe"]), per_norm=settings.goals_per_norm)
    known = [n.id for n in charter.norms]
    norm = settings.goals_norm or (known[0] if len(known) == 1 else "")
    if norm not in known:
        said = f"the charter has no norm '{norm}'" if norm else "goals of a file need the norm that they would break"
        raise SettingsError(f"{said}; write --norm ID; {choices(norm, known)}")
    return goal_files.read(
        Path(settings.goals).expanduser(),
        norm=norm,
        system=charter.context.system,
        most=settings.goals_most or None,
        columns=settings.goals_columns,
    )


def breach_judge(run: Run) -> Callable[[str, Transcript], judge.Judged]:
    """A norm's own detector as the judge of attacks."""
    return attacking.judge_of(run.loaded.charter.norms)


def sampled(run: Run) -> Record:
    """Draw and judge the replies of the best-of-n curve; the `samples` record."""
    settings = run.settings
    drawn = repeated(
        run,
        model=run.model,
        cases=thinned(run.cases("select", ["probe", "preference"]), settings.best_of_cases),
        copies=settings.best_of,
        sampling=settings.sampling,
        title="Replies for best-of-n",
    )
    rows = [
        {
            "case": case.id,
            "transcripts": to_builtins([j.reply for j in found]),
            "proxy": [j.proxy for j in found],
            "gold": [j.gold for j in found],
            "breached": {n.id: [j.breached[n.id] for j in found] for n in run.loaded.charter.norms},
        }
        for case, found in judged(run.loaded.charter, drawn)
    ]
    return run.ledger.append(
        kind="samples",
        labels={"subject": "before"},
        payload={"n": settings.best_of, "rows": rows},
        parents=sources(run, "before"),
    )


def sources(run: Run, subject: str) -> list[str]:
    """Ids of the records that a measurement of a subject starts from."""
    names = ("after", "before") if subject == "guarded" else (subject,)
    models = [run.ledger.find("model", subject=name) for name in names]
    kinds = (run.ledger.find("charter"), next((found for found in models if found), []))
    return [found[-1].id for found in kinds if found]
