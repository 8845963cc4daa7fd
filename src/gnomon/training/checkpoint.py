"""Checkpoints of a training run: a killed run goes on from the last one as if nothing had happened.

    FOLDER/step-000020/    weights of every kept step: adapter as peft reads it, or model.safetensors; head.safetensors
    FOLDER/optimizer-000020.safetensors    moments and random state, of the last step only
    FOLDER/state.json      which step is last, the log and the list of checkpoints; written last, names all the others

It does not decide when to save or which step is best.
Fails: closed; each file is whole or absent, and what state.json does not name is ignored and overwritten. A folder of
another run (other data, settings or model) raises TrainingError instead of being mixed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from gnomon.core.canonical import canonical, digest, from_builtins
from gnomon.core.errors import TrainingError
from gnomon.core.files import read_text, storage, write_atomic
from gnomon.core.types import Json
from gnomon.models import adapters, heads
from gnomon.models.adapters import Adapter
from gnomon.training import world
from gnomon.training.optimizer import Optimizer

Tensors = Mapping[str, Tensor]
STATE, FULL, HEAD = "state.json", "model.safetensors", "head.safetensors"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The weights after one step."""

    step: int
    weights: str
    """Digest of the trained weights: the adapter's, or all of them; with the head's if there is one."""
    folder: str
    """Where they lie, relative to the run's folder."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands."""

    run: str
    """Digest of everything that the run's numbers depend on."""
    step: int = 0
    log: tuple[Mapping[str, Json], ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    more: Mapping[str, Json] = field(default_factory=dict)
    """What else a loop needs to go on."""


def save(
    folder: Path,
    *,
    state: State,
    model: Any,
    adapter: Adapter | None,
    optimizer: Optimizer,
) -> State:
    """Write weights, then optimiser, then the state that names them; returns the state with its new checkpoint.

    All processes must call it; the first writes what they have gathered, and any number of them can go on from it.
    """
    tensors = {"rng": torch.get_rng_state(), **optimizer.state()}
    weights, head = _weights(model, adapter)
    return world.lead(lambda: _write(folder, state, adapter, weights, head, tensors))


def _write(
    folder: Path, state: State, adapter: Adapter | None, weights: Tensors, head: Tensors, tensors: Tensors
) -> State:
    name = f"step-{state.step:06d}"
    if head:
        write_atomic(folder / name / HEAD, _stored(head))
    if adapter is not None:
        adapters.save(adapter, folder / name)
    else:
        write_atomic(folder / name / FULL, _stored(weights))
    current = folder / _optimizer_file(state.step)
    write_atomic(current, safetensors.torch.save(dict(tensors)))
    kept = tuple(c for c in state.checkpoints if c.step < state.step)
    checkpoint = Checkpoint(step=state.step, weights=_digest(weights, head), folder=name)
    state = replace(state, checkpoints=(*kept, checkpoint))
    write_atomic(folder / STATE, canonical(state))
    with storage(folder):
        for old in folder.glob("optimizer-*.safetensors"):
            if old != current:
                old.unlink(missing_ok=True)
    return state


def resume(folder: Path, *, run: str, model: Any, adapter: Adapter | None, optimizer: Optimizer) -> State:
    """Put weights, optimiser and random state back to the last checkpoint; a new State if there is none."""
    world.lead(lambda: _sweep(folder))
    if not (folder / STATE).exists():
        return State(run=run)
    try:
        state = from_builtins(json.loads(read_text(folder / STATE)), State, where=str(folder / STATE))
    except json.JSONDecodeError as error:
        raise TrainingError(f"{folder / STATE} is damaged ({error.msg}); delete {folder} and train again") from error
    if state.run != run:
        raise TrainingError(
            f"{folder} holds a run with other data, settings, loss or model; choose another folder, or delete it"
        )
    last = state.checkpoints[-1]
    found = restore_weights(folder / last.folder, model, adapter)
    if found != last.weights:
        raise TrainingError(f"{folder / last.folder} is not what step {last.step} wrote; delete {folder}, train again")
    stored = _read(folder / _optimizer_file(state.step))
    torch.set_rng_state(stored.pop("rng"))
    optimizer.restore(stored)
    return state


def _sweep(folder: Path) -> None:
    """Delete what a killed write left beside its target: hidden files in a folder that this run alone writes to."""
    with storage(folder):
        for left in folder.rglob(".*"):
            if left.is_file():
                left.unlink()


def full_weights(model: Any) -> dict[str, Tensor]:
    """All weights of a model but its head's, tied ones once."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    state = model.state_dict()
    return {n: t.detach() for n, t in state.items() if n not in tied and not n.startswith(heads.NAME)}


def head_digest(model: Any) -> str:
    """SHA-256 of the head's weights; empty without a head."""
    weights = _head(model)
    return world.lead(lambda: adapters.weights_digest(weights) if weights else "")


def _weights(model: Any, adapter: Adapter | None) -> tuple[Tensors, Tensors]:
    """The adapter's or all weights, and the head's; from a model in pieces whole on the first process alone."""
    trained = adapter.state if adapter is not None else world.weights(model, full_weights(model))
    return trained, _head(model)


def _head(model: Any) -> Tensors:
    head = heads.attached(model)
    return {} if head is None else world.weights(model, head.state_dict())


def _digest(weights: Tensors, head: Tensors) -> str:
    trained = adapters.weights_digest(weights)
    return digest([trained, adapters.weights_digest(head)]) if head else trained


def _optimizer_file(step: int) -> str:
    return f"optimizer-{step:06d}.safetensors"


def restore_weights(folder: Path, model: Any, adapter: Adapter | None) -> str:
    """Put the weights of one checkpoint into the adapter, or without one into the model; returns their digest.

    A head that is attached gets its weights too; a stored head that the model has not is left where it is.
    """
    head = heads.attached(model)
    if head is not None:
        _copy(folder / HEAD, head.state_dict())
    if adapter is not None:
        adapters.restore(adapter, folder)
    else:
        _copy(folder / FULL, full_weights(model))
    restored = _weights(model, adapter)
    return world.lead(lambda: _digest(*restored))


def _stored(weights: Tensors) -> bytes:
    return safetensors.torch.save({n: t.detach().cpu().contiguous() for n, t in weights.items()}, {"format": "pt"})


def _copy(path: Path, weights: Tensors) -> None:
    stored = _read(path)
    if {n: t.shape for n, t in stored.items()} != {n: t.shape for n, t in weights.items()}:
        raise TrainingError(f"{path.parent} holds the weights of another model; choose another folder, or delete it")
    for name, tensor in weights.items():
        world.fill(tensor, stored[name])


def _read(path: Path) -> dict[str, Tensor]:
    with storage(path):
        raw = path.read_bytes()
    try:
        return safetensors.torch.load(raw)
    except safetensors.SafetensorError as error:
        raise TrainingError(f"{path} is damaged ({error}); delete {path.parent} and train again") from error
