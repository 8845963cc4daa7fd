"""Distillation put together: questions and answers of the red team, training of the training room, and the measures.

Students are trained from the untouched one on the first n traces, for several n, beside students that learned as many
rows of something else. Everything is found by its content and not done twice.
Units: divergence in nats a token, on the target's own answers to held-out questions; shares of tokens and of words.
Fails: a student that is not here is a ModelError; too few questions or answers are a DataError.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gnomon.cli import tuning
from gnomon.cli.checkpoints import Loop
from gnomon.core import plugin
from gnomon.core.canonical import code_digest, digest, from_builtins, to_builtins
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.files import json_lines, write_atomic
from gnomon.core.protocols import Executor, Model, Sampling, Sink
from gnomon.core.seeds import generator
from gnomon.core.statistics import clustered
from gnomon.core.statistics.paired import difference
from gnomon.core.types import Json, Record, Transcript
from gnomon.executor.local import Local
from gnomon.ledger.store import Ledger
from gnomon.models import divergence
from gnomon.models.local import LocalModel
from gnomon.redteam import distillation
from gnomon.redteam.distillation import Choose, Trace
from gnomon.training.schedule import Offline

AT_ONCE = 8
"""Held-out questions that are measured together."""
MEASURES: Mapping[str, tuple[str, tuple[float, float] | None]] = {
    "tokens": ("rate", (0.0, 1.0)),
    "kl": ("nats", None),
    "answers": ("rate", (0.0, 1.0)),
}
"""Agreement of the likeliest token, divergence, and agreement of whole answers as text: unit and bounds of each."""


@dataclass(frozen=True, kw_only=True)
class Distilling:
    """How a student is made and measured."""

    max_new_tokens: int = 48
    """Tokens after which an answer is cut."""
    temperature: float = 0.0
    """At which the target's answers are drawn; 0: its likeliest."""
    held_out: int = 24
    """Questions that nothing is learned from, on which students are compared with the target."""
    points: int = 3
    """Numbers of traces that a student is trained on: all, half, a quarter, ..."""
    epochs: int = 4
    batch: int = 8
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.max_new_tokens, self.held_out, self.points) < 1:
            raise SettingsError("distil: max_new_tokens, held_out and points must be at least 1")

    @property
    def sampling(self) -> Sampling:
        """Of the target's answers."""
        return Sampling(max_new_tokens=self.max_new_tokens, temperature=self.temperature, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Theft:
    """Who is asked, who learns, and where that is kept."""

    folder: Path
    target: Model
    """As its users meet it: bare, or behind a guard."""
    original: Model
    """What the student is to become like: the target without its guard."""
    student: LocalModel
    settings: Distilling
    ledger: Ledger
    stage: Callable[[str], Sink]

    def executor(self, title: str) -> Executor:
        """Where shards run; results are kept below the folder."""
        return Local(self.folder / "work" / "shards", self.stage(title))

    @property
    def inside(self) -> LocalModel | None:
        """The original, where its probabilities can be compared with the student's."""
        model = self.original
        return model if isinstance(model, LocalModel) and divergence.comparable(model, self.student) else None


def distilled(
    theft: Theft,
    questions: Sequence[Transcript],
    *,
    budget: int,
    tokens: int | None = None,
    choose: Choose = "random",
    control: Sequence[Mapping[str, Json]] = (),
) -> Json:
    """Collect traces, train students and measure them; the `distillation` record's payload.

    `control`: rows of {case, prompt, chosen} not from the target; without, the untouched student's own answers.
    """
    held, rest = _split(questions, theft.settings)
    order = _order(theft, rest, budget, choose)
    traces = _traces(theft, order, tokens)
    taught = {
        "target": distillation.demonstrations(traces),
        "control": list(control) or distillation.demonstrations(_own(theft, [t.prompt for t in traces])),
    }
    most = min(map(len, taught.values()))
    if most < 1:
        raise DataError("no trace with an answer, or no row of the control; give more questions or another control")
    key = "held-out"
    answers = list(
        distillation.collected(
            held,
            model=theft.original,
            sampling=theft.settings.sampling,
            executor=theft.executor("Answers to held-out questions"),
            key=key,
        )
    )
    kept = [t for t in answers if t.reply.strip()]
    if len(kept) < 2:
        raise DataError("the target answers fewer than two held-out questions; give more questions")
    record = theft.ledger.append(
        kind="traces",
        payload={
            "target": dict(theft.target.identity),
            "choose": choose,
            "traces": len(traces),
            "answered": len(taught["target"]),
            "errors": sum(bool(t.error) for t in traces),
            "tokens": sum(t.tokens for t in traces),
            "rows": to_builtins(traces),
        },
    )
    rows = _measured(theft, "untrained student", theft.student, kept, traces=0, arm="untrained")
    for count in _counts(most, theft.settings.points):
        for arm, own in taught.items():
            rows += _taught(theft, own[:count], kept, arm, count)
    return _told(theft, rows, record, most)


def _split(questions: Sequence[Transcript], settings: Distilling) -> tuple[list[Transcript], list[Transcript]]:
    """Held-out questions, and those that may be asked; drawn by the seed, each question once."""
    each = distillation.unique(questions)
    if len(each) < settings.held_out + 2:
        raise DataError(
            f"{len(each)} different questions, of which {settings.held_out} are held out; give more, or set "
            "held_out lower"
        )
    generator(settings.seed, "held-out").shuffle(each)
    return each[: settings.held_out], each[settings.held_out :]


def _order(theft: Theft, rest: Sequence[Transcript], budget: int, choose: Choose) -> list[Transcript]:
    doubt = None
    if choose == "doubt":
        theft.stage("How unsure the student is")
        doubt = distillation.doubts(theft.student, rest, Sampling(max_new_tokens=theft.settings.max_new_tokens))
    return distillation.ordered(rest, choose=choose, most=budget, seed=theft.settings.seed, doubt=doubt)


def _traces(theft: Theft, order: Sequence[Transcript], tokens: int | None) -> list[Trace]:
    """The target's answers, also written as rows that `gnomon align --data` reads."""
    traces = list(
        distillation.collected(
            order,
            model=theft.target,
            sampling=theft.settings.sampling,
            executor=theft.executor("Traces of the target"),
            key="traces",
            tokens=tokens,
        )
    )
    rows = [{"prompt": r["prompt"], "completion": r["chosen"]} for r in distillation.demonstrations(traces)]
    write_atomic(theft.folder / "traces.jsonl", json_lines(rows), mode=0o600)
    return traces


def _own(theft: Theft, prompts: Sequence[Transcript]) -> list[Trace]:
    """What the untouched student answers to the same questions."""
    return list(
        distillation.collected(
            prompts,
            model=theft.student,
            sampling=theft.settings.sampling,
            executor=theft.executor("Answers of the untouched student"),
            key="control",
        )
    )


def _counts(most: int, points: int) -> list[int]:
    """How many traces students are trained on, the fewest first."""
    return sorted({-(-most // 2**i) for i in range(points)})


def _taught(
    theft: Theft, rows: Sequence[Mapping[str, Json]], held: Sequence[Trace], arm: str, count: int
) -> list[Json]:
    """A student taught these rows, and how near to the target it came."""
    settings, title = theft.settings, f"{count} rows of the {arm}"
    loop = Offline(
        epochs=settings.epochs,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        every=8,
        seed=settings.seed,
    )
    work = theft.folder / "work" / f"{arm}-{count}-{digest([rows, asdict(settings)])[:8]}"
    steps = settings.epochs * -(-len(rows) // settings.batch)
    state = tuning.tuned(
        theft.student,
        rows,
        loss=plugin.build("loss", "sft"),
        loop=loop,
        folder=work,
        sink=Loop(theft.stage(f"Student: {title}"), steps),
    )
    with tuning.at(theft.student, state, work, seed=loop.seed, name=f"student-{arm}-{count}") as student:
        return _measured(theft, title, student, held, traces=count, arm=arm)


def _measured(
    theft: Theft, title: str, student: LocalModel, held: Sequence[Trace], *, traces: int, arm: str
) -> list[Json]:
    """One row a held-out question: how near this student is to the target."""
    most, inside = theft.settings.max_new_tokens, theft.inside

    def compare(shard: Json) -> Json:
        own = [from_builtins(row, Trace) for row in shard]
        said = student.generate(prompts=[t.prompt for t in own], sampling=Sampling(max_new_tokens=most))
        there = [t.prompt.answered(t.reply) for t in own]
        near = divergence.per_reply(inside, student, there, most=most) if inside else [None] * len(own)
        return [
            {
                "question": t.prompt.id,
                "cluster": str(t.prompt.expect.get("cluster", t.prompt.id)),
                "answers": distillation.agreement(t.prompt, t.reply, reply.reply),
                "tokens": n.agree if n else None,
                "kl": n.kl if n else None,
                "said": reply.reply,
            }
            for t, reply, n in zip(own, said, near, strict=True)
        ]

    key = {
        "task": "distil/measure",
        "student": dict(student.identity),
        "original": dict(theft.original.identity),
        "most": most,
        "code": code_digest(),
    }
    shards = [to_builtins(list(held[i : i + AT_ONCE])) for i in range(0, len(held), AT_ONCE)]
    found = theft.executor(f"Fidelity: {title}").map(task=compare, shards=shards, key=key)
    return [{**row, "traces": traces, "arm": arm} for result in found for row in result.value]


def _told(theft: Theft, rows: Sequence[Json], record: Record, most: int) -> Json:
    """Fidelity of each student, and the differences that count, with intervals clustered by question."""
    points = [(int(n), str(arm)) for n, arm in dict.fromkeys((row["traces"], row["arm"]) for row in rows)]
    counts = sorted({n for n, _ in points if n})
    fidelity = [{"traces": n, "arm": arm} | {m: _mean(rows, n, arm, m) for m in MEASURES} for n, arm in points]
    found = {
        "target": dict(theft.target.identity),
        "student": dict(theft.student.identity),
        "settings": asdict(theft.settings),
        "traces": most,
        "fidelity": fidelity,
        "student less control": [
            {"traces": n} | {m: _change(rows, (n, "control"), (n, "target"), m) for m in MEASURES} for n in counts
        ],
        "student less untrained": {m: _change(rows, (0, "untrained"), (most, "target"), m) for m in MEASURES},
        "most less fewest traces": {m: _change(rows, (counts[0], "target"), (most, "target"), m) for m in MEASURES}
        if len(counts) > 1
        else None,
    }
    made: Json = to_builtins(found)
    theft.ledger.append(kind="distillation", payload=made | {"rows": list(rows)}, parents=[record.id])
    return made | {"rows": list(rows)}


def _values(rows: Sequence[Json], point: tuple[int, str], measure: str) -> dict[str, tuple[str, float]]:
    own = [r for r in rows if (r["traces"], r["arm"]) == point and r[measure] is not None]
    return {row["question"]: (row["cluster"], row[measure]) for row in own}


def _mean(rows: Sequence[Json], traces: int, arm: str, measure: str) -> Any:
    found = _values(rows, (traces, arm), measure)
    unit, bounds = MEASURES[measure]
    clusters, values = zip(*found.values(), strict=True) if found else ((), ())
    return clustered.mean(values, clusters, bounds=bounds, unit=unit) if found else None


def _change(rows: Sequence[Json], before: tuple[int, str], after: tuple[int, str], measure: str) -> Any:
    old, new = _values(rows, before, measure), _values(rows, after, measure)
    unit, bounds = MEASURES[measure]
    both = [q for q in old if q in new]
    if not both:
        return None
    clusters = [old[q][0] for q in both]
    return difference([old[q][1] for q in both], [new[q][1] for q in both], clusters, bounds=bounds, unit=unit)
