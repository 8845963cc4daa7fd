"""The gradient of a whole batch's loss, row by row: any loss, whatever part of the batch it looks at.

First every packed row through the model without gradient, then the loss and its gradient in the model's outputs, then
row by row through the model again. So a batch may be larger than memory: only one row's activations exist at a time.
Where no process has more than one row, one pass is enough. Several processes share the rows. It does not step.
Source: Gao et al., GradCache, 2101.06983.
Shapes: `N` outputs of all rows: sequences or tokens, as `measure` gives them.
Fails: no rows is a TrainingError; else with whatever the loss or the model raises.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from gnomon.core.errors import TrainingError
from gnomon.core.protocols import LossOut
from gnomon.models.packing import Packed
from gnomon.training import world
from gnomon.training.recompute import recomputing

Measure = Callable[[Any, Packed], Tensor]
"""Model and packed row to its outputs, `N` x anything, with gradient where it is enabled."""


def backward(
    model: Any,
    packs: Sequence[Packed],
    *,
    measure: Measure,
    loss_of: Callable[[Tensor], LossOut],
    recompute: bool = False,
) -> LossOut:
    """Loss of the whole batch, detached; its gradient is added to that of the parameters.

    `loss_of` gets the outputs of all rows, end to end in the order of `packs`. `recompute` saves memory for time.
    Of several processes each adds its own part of the gradient: `Optimizer.clip` sums them.
    """
    if not packs:
        raise TrainingError("an empty batch has no loss; leave the step out, or give it examples")
    with recomputing(model) if recompute else nullcontext():
        return _backward(model, packs, measure, loss_of)


def outputs(model: Any, packs: Sequence[Packed], measure: Measure) -> list[Tensor]:
    """The outputs of every row, without gradient; several processes share the work, all get all."""
    own, idle = _rows(model, packs)
    with torch.no_grad():
        parts = [world.measured(model, measure, packs[index]) for index in own + idle]
    return world.gathered(dict(zip(own, parts, strict=False)), _device(model))


def _backward(model: Any, packs: Sequence[Packed], measure: Measure, loss_of: Callable[[Tensor], LossOut]) -> LossOut:
    own, idle = _rows(model, packs)
    size = world.current().size
    once = len(packs) <= size
    with nullcontext() if once else torch.no_grad():
        parts = [world.measured(model, measure, packs[index]) for index in own + idle]
    every = world.gathered(dict(zip(own, parts, strict=False)), _device(model))
    leaf = torch.cat(every).requires_grad_(True)
    out = loss_of(leaf)
    (grad,) = torch.autograd.grad(out.loss, leaf)
    pieces = torch.split(grad * size if world.divided(model) else grad, [len(part) for part in every])
    for place, index in enumerate(own + idle):
        found = parts[place] if once else world.measured(model, measure, packs[index])
        piece = pieces[index] if place < len(own) else torch.zeros_like(found)
        found.backward(piece)  # type: ignore[no-untyped-call]
    return LossOut(out.loss.detach(), out.metrics)


def _rows(model: Any, packs: Sequence[Packed]) -> tuple[list[int], list[int]]:
    """This process's rows; and those that it only runs along: a model in pieces runs equally often everywhere."""
    here, tokens = world.current(), [len(packed.ids_N) for packed in packs]
    given = world.shares(tokens, here.size)
    own = given[here.rank]
    missing = max(map(len, given)) - len(own) if world.divided(model) else 0
    return own, [min(range(len(packs)), key=tokens.__getitem__)] * missing


def _device(model: Any) -> torch.device:
    where: torch.device = next(model.parameters()).device
    return where
