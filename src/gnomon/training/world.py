"""One process or several, under `torchrun`: who computes what, and how results become everybody's.

Every process plans the same batch and computes its share of the rows; outputs are gathered, so that each knows the loss
of the whole batch, and gradients are summed. So any loss is exact, also one that is no mean over examples.
All weights trained: they lie in pieces on all processes (FSDP2); an adapter: every process holds the model whole.
It reads no environment: `torch.distributed` does, when the command line calls `join`.
Source: Zhao et al., PyTorch FSDP, 2304.11277; Rajbhandari et al., ZeRO, 1910.02054.
Fails: processes that do not do the same (`agree`), and errors of the first (`lead`), end on all of them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from gnomon.core.errors import GnomonError, TrainingError

T = TypeVar("T")
ROOT, DTYPE = "gnomon_root", "gnomon_dtype"
PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others."""
SETTLING = 1.0
"""Seconds in which the threads of the last collective come to rest."""


@dataclass(frozen=True)
class World:
    """This process among all."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and reports numbers."""
        return self.rank == 0


def join() -> World:
    """Meet the other processes that `torchrun` started; alone, where it started none."""
    if dist.is_torchelastic_launched() and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(dist.get_node_local_rank())
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return current()


def leave() -> None:
    """Part from the other processes, when all work is done."""
    if dist.is_initialized():
        # gloo's threads let go of the last tensors after their work is reported as done, and need the interpreter
        # for it: gone by then, they would abort a process that has succeeded. After the barrier no work comes any more,
        # and sleeping gives the interpreter to them.
        dist.barrier()
        time.sleep(SETTLING)
        dist.destroy_process_group()


def current() -> World:
    """The world as it is: one process unless `join`, or other code, has made a group."""
    return World(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else World()


def shares(weights: Sequence[int], size: int) -> list[list[int]]:
    """Which items each of `size` processes gets: the heaviest first, to whom has least.

    >>> shares([5, 1, 4, 1], 2)
    [[0, 1], [2, 3]]
    """
    given: list[list[int]] = [[] for _ in range(size)]
    load = [0] * size
    for index in sorted(range(len(weights)), key=lambda i: (-weights[i], i)):
        # Equal loads go to whom has fewer, so that items without weight are spread too.
        least = min(range(size), key=lambda r: (load[r], len(given[r]), r))
        given[least].append(index)
        load[least] += weights[index]
    return [sorted(items) for items in given]


def gathered(mine: Mapping[int, Tensor], device: torch.device) -> list[Tensor]:
    """Everybody's tensors, detached, in the order of their numbers, which together are 0, 1, 2, …"""
    if not dist.is_initialized():
        return [mine[index].detach() for index in sorted(mine)]
    return [tensor.to(device) for tensor in collected({index: tensor.detach().cpu() for index, tensor in mine.items()})]


def collected(mine: Mapping[int, T]) -> list[T]:
    """Everybody's things, in the order of their numbers."""
    parts: list[Any] = [mine]
    if dist.is_initialized():
        parts = [None] * dist.get_world_size()
        dist.all_gather_object(parts, dict(mine))
    found: dict[int, T] = {index: thing for part in parts for index, thing in part.items()}
    return [found[index] for index in sorted(found)]


def agree(value: str, what: str) -> None:
    """Make sure that all processes have the same value. Raises TrainingError that names `what`."""
    if not dist.is_initialized():
        return
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    if len(set(values)) > 1:
        odd = [rank for rank, other in enumerate(values) if other != values[0]]
        raise TrainingError(f"processes {odd} have other {what} than process 0; start all of them alike")


def lead(work: Callable[[], T]) -> T:
    """Let the first process do something; all get its result, or raise its error."""
    if not dist.is_initialized():
        return work()
    box: list[Any] = [None, None]
    if dist.get_rank() == 0:
        try:
            box[0] = work()
        except GnomonError as error:
            box[1] = error
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    done: T = box[0]
    return done


@torch.no_grad()
def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Add up the gradients of parameters that every process holds whole; pieces are summed by FSDP2 already.

    What no process has a gradient for keeps none.
    """
    plain = [p for p in parameters if not isinstance(p, DTensor)]
    if not dist.is_initialized() or not plain:
        return
    has = torch.tensor([float(p.grad is not None) for p in plain], device=plain[0].device)
    dist.all_reduce(has)
    for parameter, anyone in zip(plain, has.tolist(), strict=True):
        if anyone:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            dist.all_reduce(parameter.grad)


def divide(model: Any, dtype: torch.dtype) -> None:
    """Cut a transformers model's weights into one piece a process, in place; it then computes in `dtype`.

    The pieces keep their type and are the exact weights. Call the model through `measured` from now on.
    """
    if ROOT in model.__dict__:
        return
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.promote_types(dtype, torch.float32))
    mesh = init_device_mesh(next(model.parameters()).device.type, (dist.get_world_size(),))
    for layer in _layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    # In __dict__, so that the model does not become a part of itself.
    model.__dict__[ROOT] = fully_shard(_Root(model), mesh=mesh, mp_policy=policy)
    model.__dict__[DTYPE] = dtype


def divided(model: Any) -> bool:
    """Whether the model's weights lie in pieces: each process must then run it as often as every other."""
    return ROOT in model.__dict__


def computes_in(model: Any) -> torch.dtype:
    """The type of the model's matrix products, whatever type its exact weights have."""
    dtype: torch.dtype = model.__dict__.get(DTYPE, model.dtype)
    return dtype


def measured(model: Any, measure: Callable[[Any, Any], Tensor], packed: Any) -> Tensor:
    """`measure(model, packed)`, with all weights at hand that it may use."""
    outputs: Tensor = model.__dict__.get(ROOT, _plain)(model, measure, packed)
    return outputs


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together from its pieces: in the first process's main memory; elsewhere empty, to save memory."""
    if not isinstance(tensor, DTensor):
        return tensor.detach()
    full: Tensor = tensor.full_tensor().detach()
    return full.cpu() if current().leads else torch.empty(0)


def weights(model: Any, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Some of a model's weights, whole and as it computes with them; from pieces on the first process only."""
    if not divided(model):
        return {name: tensor.detach() for name, tensor in named.items()}
    return {name: whole(tensor).to(computes_in(model)) for name, tensor in named.items()}


@torch.no_grad()
def refresh(copied: Any, model: Any) -> None:
    """Bring a copy of a model, whole on every process, to the model's weights; nothing if it is the model itself."""
    if copied is model:
        return
    now = dict(model.named_parameters())
    for name, parameter in copied.named_parameters():
        parameter.copy_(now[name].full_tensor() if isinstance(now[name], DTensor) else now[name])


@torch.no_grad()
def fill(target: Tensor, source: Tensor) -> None:
    """Copy a whole tensor into another; of one in pieces each process takes its own."""
    if isinstance(target, DTensor):
        source = source.to(target.device, target.dtype)
        source = distribute_tensor(source, target.device_mesh, target.placements, src_data_rank=None)
    target.copy_(source)


def like(tensor: Tensor, target: Tensor) -> Tensor:
    """A whole tensor as the target lies: itself, or this process's piece."""
    if not isinstance(target, DTensor):
        return tensor
    made = torch.zeros_like(target, dtype=tensor.dtype)
    fill(made, tensor)
    return made


class _Root(nn.Module):
    """Holds what is outside the layers, so that any function of the model finds it gathered, head and embedding too."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, model: Any, measure: Callable[[Any, Any], Tensor], packed: Any) -> Tensor:
        return measure(model, packed)


def _plain(model: Any, measure: Callable[[Any, Any], Tensor], packed: Any) -> Tensor:
    return measure(model, packed)


def _layers(model: Any) -> list[nn.Module]:
    """The decoder layers: the longest list of modules, as transformers builds its models."""
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    return list(max(lists, key=len, default=[]))
