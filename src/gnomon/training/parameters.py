"""Makes a model ready to be trained: which parameters learn, in which type they compute, on how many processes.

An adapter (and a head) learns over frozen weights; without one all weights do: in float32, or in 16 bits over exact
float32 masters, and in pieces if there are several processes. Dropout stays off.
It attaches nothing and restores nothing.
Source: masters: Micikevicius et al., 1710.03740, section 3.1.
"""

from typing import Any, Literal

import torch

from gnomon.models import heads
from gnomon.models.adapters import Adapter
from gnomon.training import world
from gnomon.training.optimizer import Optimizer

Precision = Literal["float32", "bfloat16"]


def prepare(
    model: Any, adapter: Adapter | None, *, precision: Precision | None = None, weight_decay: float = 0.0
) -> Optimizer:
    """The optimiser of what is to be learned. `precision` is for full weights: an adapter's base stays as it is."""
    model.eval()
    if adapter is not None:
        return Optimizer([*adapter.parameters, *heads.parameters(model)], weight_decay=weight_decay)
    model.requires_grad_(True)
    compute = getattr(torch, precision) if precision else model.dtype
    exact = torch.promote_types(model.dtype, torch.float32)
    if world.current().size > 1:
        world.divide(model.to(exact), compute)
        return Optimizer(list(model.parameters()), weight_decay=weight_decay, rounded=compute.itemsize < 4)
    if model.dtype != compute:
        model.to(exact)
    optimizer = Optimizer(list(model.parameters()), weight_decay=weight_decay)
    optimizer.compute_in(compute)
    return optimizer
