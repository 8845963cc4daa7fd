"""A small model tuned on rows of text by an adapter, kept where it stopped, and had back as a model.

What attackers and students are made with; the main job's own training is `aligning`. It judges nothing.
Fails: a model whose weights are not here is a ModelError.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gnomon.cli.aligning_offline import encoded
from gnomon.core.canonical import digest
from gnomon.core.errors import ModelError
from gnomon.core.protocols import Model, Sink
from gnomon.core.types import Json
from gnomon.models import adapters
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.training.batches import OfflineLoss
from gnomon.training.checkpoint import State, restore_weights
from gnomon.training.offline import train
from gnomon.training.schedule import Offline


def here(model: Model, what: str) -> LocalModel:
    """The model as one in this process. Raises ModelError for one that cannot be trained."""
    if not isinstance(model, LocalModel):
        name = model.identity.get("name", "this model")
        raise ModelError(f"{what} {name} cannot be trained: its weights are not here; name a folder or a hub id")
    return model


@contextmanager
def adapted(model: LocalModel, *, seed: int) -> Iterator[Adapter]:
    """The model with a fresh adapter inside; after it the model is the one it was."""
    adapter = adapters.attach(model.model, seed=seed)
    try:
        yield adapter
    finally:
        adapters.detach(adapter)


def tuned(
    model: LocalModel,
    rows: Sequence[Mapping[str, Json]],
    *,
    loss: OfflineLoss,
    loop: Offline,
    folder: Path,
    sink: Sink,
) -> State:
    """Train an adapter on rows from where `folder` stopped; where the checkpoints lie. The model stays what it was."""
    with adapted(model, seed=loop.seed) as adapter:
        return train(
            subject=model,
            adapter=adapter,
            examples=encoded(rows, loss, model),
            loss=loss,
            settings=loop,
            folder=folder,
            sink=sink,
        )


@contextmanager
def at(model: LocalModel, state: State, folder: Path, *, seed: int, name: str) -> Iterator[LocalModel]:
    """The model at the last checkpoint of a training, to be sampled from; after it the model is the one it was."""
    last = state.checkpoints[-1]
    weights = digest([model.identity["weights"], last.weights])
    with adapted(model, seed=seed) as adapter:
        restore_weights(folder / last.folder, model.model, adapter)
        with adapters.merged(adapter):
            yield replace(model, identity={**model.identity, "name": name, "weights": weights})


def written(model: LocalModel, state: State, folder: Path, *, seed: int, into: Path) -> dict[str, str]:
    """Write the model at the last checkpoint of a training as a model folder; returns the digest of each file."""
    with adapted(model, seed=seed) as adapter:
        restore_weights(folder / state.checkpoints[-1].folder, model.model, adapter)
        return adapters.write_folder(model.model, adapter, model.tokenizer, into)
