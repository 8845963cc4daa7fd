"""The gradient of a whole batch's loss, row by row: any loss, whatever part of the batch it looks at.

First every packed row through the model without gradient, then the loss and its gradient in the model's outputs, then
row by row through the model again. A batch of one row needs one pass only. It does not step.
Source: Gao et al., GradCache, 2101.06983.
Shapes: `N` outputs of all rows: sequences or tokens, as `measure` gives them.
Fails: with whatever the loss or the model raises.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from gnomon.core.protocols import LossOut
from gnomon.models.packing import Packed

Measure = Callable[[Any, Packed], Tensor]
"""Model and packed row to its outputs, `N` x anything, with gradient where it is enabled."""


def backward(model: Any, packs: Sequence[Packed], *, measure: Measure, loss_of: Callable[[Tensor], LossOut]) -> LossOut:
    """Loss of the whole batch, detached; its gradient is added to that of the parameters.

    `loss_of` gets the outputs of all rows, end to end in the order of `packs`.
    """
    alone = len(packs) == 1
    with nullcontext() if alone else torch.no_grad():
        parts = [measure(model, packed) for packed in packs]
    leaf = torch.cat([part.detach() for part in parts]).requires_grad_(True)
    out = loss_of(leaf)
    (grad,) = torch.autograd.grad(out.loss, leaf)
    for packed, part, piece in zip(packs, parts, torch.split(grad, [len(p) for p in parts]), strict=True):
        found = part if alone else measure(model, packed)
        found.backward(piece)  # type: ignore[no-untyped-call]
    return LossOut(out.loss.detach(), out.metrics)
