"""Training on fixed examples in the main job: pairs made from the charter's cases, or rows of a file.

It samples the start model once, for the pairs; it decides nothing about checkpoints.
"""

from collections.abc import Mapping, Sequence

from gnomon.cli import judging
from gnomon.cli.checkpoints import alone, local, numbers, recorded, trainable
from gnomon.cli.stages import EVERY_KIND, Run, repeated, sources
from gnomon.core import settings as core_settings
from gnomon.core.canonical import to_builtins
from gnomon.core.types import Json, Record
from gnomon.models.local import LocalModel
from gnomon.training import intake, survey, world
from gnomon.training.batches import DemonstrationBatch, LabelledBatch, OfflineLoss
from gnomon.training.checkpoint import State
from gnomon.training.examples import Example, demonstration_examples, labelled_examples, preference_examples
from gnomon.training.offline import train
from gnomon.training.schedule import Offline


def paired(run: Run) -> Record:
    """Draw replies to the training cases and make preference pairs of them; the `pairs` record."""
    settings = run.settings
    drawn = repeated(
        run,
        model=run.model,
        cases=run.cases("train", EVERY_KIND),
        copies=settings.samples,
        sampling=settings.sampling,
        title="Replies to training cases",
    )
    made = judging.paired(run.loaded.charter, drawn, seed=settings.seed)
    return run.ledger.append(
        kind="pairs",
        payload={"rows": to_builtins(made.rows), "skipped": dict(made.skipped)},
        parents=sources(run, "before"),
    )


def trained(run: Run, loss: OfflineLoss) -> tuple[Record, State]:
    """Train on the charter's pairs, or on the rows of a file; the `training` record and where the checkpoints lie."""
    made, examples = world.lead(lambda: material(run, loss))
    loop = loop_settings(run, len(examples))
    state = fitted(run, loss, examples, loop)
    alone()
    about = {"examples": len(examples)}
    return recorded(run, loss=loss, loop=loop, state=state, about=about, parents=[made.id]), state


def fitted(run: Run, loss: OfflineLoss, examples: Sequence[Example], loop: Offline) -> State:
    """The offline loop on a run's start, in the run's folder; goes on where it stopped."""
    settings = run.settings
    title = f"Align: {settings.method}, {settings.weights}"
    with trainable(run) as (subject, adapter), numbers(run, title, settings.steps) as sink:
        return train(
            subject=subject,
            adapter=adapter,
            examples=examples,
            loss=loss,
            settings=loop,
            folder=run.folder / "work" / "training",
            sink=sink,
        )


def material(run: Run, loss: OfflineLoss) -> tuple[Record, Sequence[Example]]:
    """What a method learns from, and the record that says where it is from."""
    if run.settings.data:
        return _taken(run, loss)
    made = paired(run)
    return made, encoded(run.ledger.payload(made)["rows"], loss, local(run))


def _taken(run: Run, loss: OfflineLoss) -> tuple[Record, Sequence[Example]]:
    """Rows of the run's data, without those that leak from its test set."""
    source, test = run.settings.data, run.settings.test or None
    run.stage("Read the data")
    found = survey.survey(source, test=test)
    taken = intake.take(
        source, reads=loss.READS, model=local(run), without=found.leaking, folder=run.folder / "work" / "data"
    )
    seen = {"rows": found.rows, "duplicates": len(found.duplicates), "leaks": sorted(found.leaking)}
    payload = {"source": source, "test": test or "", "survey": seen, "report": to_builtins(taken.report)}
    return run.ledger.append(kind="data", payload=payload, parents=sources(run, "before")), taken.examples


def encoded(rows: Sequence[Mapping[str, Json]], loss: OfflineLoss, model: LocalModel) -> list[Example]:
    """Pairs as the examples that a loss reads."""
    encoders = {DemonstrationBatch: demonstration_examples, LabelledBatch: labelled_examples}
    return encoders.get(loss.READS, preference_examples)(rows, model)


def loop_settings(run: Run, examples: int) -> Offline:
    """The loop's settings: the run's own, then the user's `loop.` settings."""
    settings = run.settings
    mine: dict[str, Json] = {
        "epochs": max(1, -(-settings.steps * settings.pairs_per_step // max(1, examples))),
        "steps": settings.steps,
        "batch": settings.pairs_per_step,
        "learning_rate": settings.rate,
        "every": settings.checkpoint_every,
        "seed": settings.seed,
    }
    return core_settings.make(Offline, {**mine, **settings.loop}, name="the offline loop")
