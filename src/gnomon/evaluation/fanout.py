"""Asks samples in shards through an executor: other processes, or a cluster. The answers are the same as here.

Every worker keeps its answers in the same store folder as they come, in a file of its own, and hands them back; so a
killed run repeats nothing that a worker on this machine, or with the same file system, had stored. Shards are of what
is missing when the run begins. Unlike a run in one process it holds all that is missing in memory.
Source: `executor`; `executor.answers` for what makes two workers safe beside each other.
Fails: closed; an endpoint with a budget or a rate is refused, since no worker could keep it.
"""

import secrets
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.core.canonical import from_builtins, to_builtins
from gnomon.core.protocols import Executor, Model, Sampling
from gnomon.core.types import Json
from gnomon.evaluation import asked as naming
from gnomon.evaluation.items import Item
from gnomon.executor.answers import Store
from gnomon.models.endpoint import Endpoint

if TYPE_CHECKING:
    from gnomon.evaluation.runner import Likelihood, Limits

SHARD = 256
"""Items asked by one task."""


def spread(
    wanted: Iterable[Any],
    model: Model,
    sampling: Sampling,
    likelihood: "Likelihood",
    executor: Executor,
    state: Any,
) -> None:
    """Ask all samples that have no answer, shard by shard, and put the answers into the run's store."""
    if isinstance(model, Endpoint):
        model.apart()
    missing = list({one.item.id: one for one in wanted if one is not None}.values())
    shards = [to_builtins([one.item for one in missing[at : at + SHARD]]) for at in range(0, len(missing), SHARD)]
    task = partial(
        asked_of,
        model=model,
        sampling=sampling,
        likelihood=likelihood,
        folder=state.store.folder,
        limits=state.limits,
    )
    # The store resumes, not the executor: an error that it kept would never be asked again.
    key = {"task": "evaluation/ask", "model": dict(model.identity), "once": secrets.token_hex(8)}
    for result in executor.map(task=task, shards=shards, key=key):
        for name, row in result.value["answers"]:
            state.store.add(bytes.fromhex(name), row)
        for name, why in result.value["errors"]:
            state.asked.failed(bytes.fromhex(name), why)
            state.failed += 1
        state.done += len(result.value["answers"]) + len(result.value["errors"])
        state.store.flush()
        state.tell()


def asked_of(
    shard: Json,
    *,
    model: Model,
    sampling: Sampling,
    likelihood: "Likelihood",
    folder: Path,
    limits: "Limits",
) -> Json:
    """What one worker does: ask the items of a shard; every key with its answer or its error."""
    from gnomon.evaluation.runner import ask

    items = [from_builtins(row, Item) for row in shard]
    origin = naming.origin(model.identity, sampling)
    with Store.open(folder) as store:
        found = ask(items=items, model=model, sampling=sampling, store=store, limits=limits, likelihood=likelihood)
        answers, errors = [], []
        for item in items:
            base = naming.base(origin, item)
            for name in (naming.key(base, sample) for sample in range(naming.samples(item))):
                row = store.get(name)
                if row is None:
                    errors.append([name.hex(), found.error(name)])
                else:
                    answers.append([name.hex(), row])
    return {"answers": answers, "errors": errors}
