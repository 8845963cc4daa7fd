"""AdamW over float32 masters: the model computes in its own type, the optimiser keeps the exact weights.

A step of AdamW is smaller than what bfloat16 can hold; without masters most of it would be swallowed. Gradients of
several backward passes are added up in the masters' type; one alone stays in 16 bits until the step needs it.
Of several processes each steps its own pieces, or all step alike. It chooses no rates and no steps.
Source: Loshchilov & Hutter, AdamW, 1711.05101; masters: Micikevicius et al., 1710.03740, section 3.1.
Fails: stored tensors that do not fit raise TrainingError.
"""

import functools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from gnomon.core.errors import TrainingError
from gnomon.models import heap
from gnomon.training import world

Pair = tuple[nn.Parameter, nn.Parameter]
"""A parameter and its master."""
AT_ONCE = 1 << 24
"""Most elements that are stepped together."""


class Optimizer:
    """AdamW on some parameters of a model; those in 16 bits get a float32 master.

    `rounded`: the parameters are exact and the model makes its own copies of them in 16 bits, as FSDP2 does.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, weight_decay: float = 0.0, rounded: bool = False) -> None:
        heap.keep()
        self.parameters, self._rounded = list(parameters), rounded
        self.masters = [p if p.dtype.itemsize >= 4 else _master(p) for p in self.parameters]
        self._weight_decay, self._shrink = weight_decay, 1.0
        self._adamw = self._fresh()

    def compute_in(self, dtype: torch.dtype) -> None:
        """Keep the weights as they are as masters, and let the model compute with a copy in `dtype`."""
        self.masters = [_master(p, dtype) if p.dtype != dtype else m for p, m in self._pairs()]
        self._adamw = self._fresh()

    def clear(self) -> None:
        """Forget the gradients of the last step."""
        for parameter, master in self._pairs():
            parameter.grad = master.grad = None

    def clip(self, longest: float) -> float:
        """Sum the gradient over all processes, and let the step shorten it to `longest`; returns how long it was."""
        for parameter, master in self._pairs():
            if master.grad is not None or world.current().size > 1:
                _hand_on(parameter, master)
        world.sum_gradients(self.masters)
        norm = _norm([grad for p, m in self._pairs() for grad in (m.grad, p.grad if p is not m else None)])
        self._shrink = min(1.0, longest / (norm + 1e-6)) if math.isfinite(norm) else 1.0
        return norm

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at this learning rate, which uses the gradients up; the model computes with the new weights."""
        for group in self._adamw.param_groups:
            group["lr"] = rate
        held = {master: master.grad for master in self.masters}
        for master in self.masters:
            master.grad = None
        # A few weights at a time: all gradients in the masters' type at once would be the most memory of a step.
        for part in _parts(self._pairs()):
            for parameter, master in part:
                master.grad = held.pop(master)
                _hand_on(parameter, master)
                if master.grad is not None and self._shrink < 1:
                    master.grad.mul_(self._shrink)
            self._adamw.step()
            for parameter, master in part:
                master.grad = None
                if parameter is not master:
                    parameter.copy_(master)
        self._shrink = 1.0

    def state(self) -> dict[str, Tensor]:
        """Moments, and masters where the model has only their copy, by name; they move on with the next step.

        Every process must ask; the first gets them whole, the others nothing of use.
        """
        # Sorted: all processes must put them together in the same order, and files are read in any.
        tensors = {
            f"{index}.{name}": world.whole(value).cpu().contiguous()
            for index, moments in sorted(self._adamw.state_dict()["state"].items())
            for name, value in sorted(moments.items())
        }
        for index, (parameter, master) in enumerate(self._pairs()):
            if parameter is not master or self._rounded:
                tensors[f"{index}.master"] = world.whole(master).cpu().contiguous()
        return tensors

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, _, key = name.partition(".")
            moments.setdefault(int(number), {})[key] = tensor
        for index, (parameter, master) in enumerate(self._pairs()):
            own = moments.get(index, {})
            stored = own.pop("master", None)
            copied = parameter is not master or self._rounded
            if (stored is not None) != copied or any(t.ndim and t.shape != master.shape for t in own.values()):
                raise TrainingError("the stored optimiser is of another model or precision; train again")
            if stored is not None:
                world.fill(master, stored)
                parameter.copy_(master)
            moments[index] = {k: world.like(t, master) if t.ndim else t for k, t in own.items()}
        self._adamw.load_state_dict({"state": moments, "param_groups": self._adamw.state_dict()["param_groups"]})

    def _fresh(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(self.masters, lr=0.0, weight_decay=self._weight_decay, fused=True)

    def _pairs(self) -> list[Pair]:
        return list(zip(self.parameters, self.masters, strict=True))


def _master(parameter: nn.Parameter, dtype: torch.dtype | None = None) -> nn.Parameter:
    """The exact weights of a parameter, which keeps a copy in `dtype`."""
    exact = torch.promote_types(parameter.dtype, torch.float32)
    master = nn.Parameter(parameter.detach().to(exact, copy=dtype is None))
    if dtype is not None:
        parameter.data = parameter.data.to(dtype)

    def make_room(grad: Tensor) -> None:
        """A second gradient is on its way: the first goes to the master, so that they are added up there."""
        if parameter.grad is not None:
            _hand_on(parameter, master)

    parameter.register_hook(make_room)  # type: ignore[no-untyped-call]
    return master


def _parts(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Runs of weights with at most `AT_ONCE` elements, or a single larger one, in order."""
    parts: list[list[Pair]] = []
    room = 0
    for pair in pairs:
        size = pair[1].numel()
        if size > room:
            parts.append([])
            room = AT_ONCE
        parts[-1].append(pair)
        room -= size
    return parts


def _norm(found: Sequence[Tensor | None]) -> float:
    """Euclidean length of all gradients together, from squares in at least float32."""
    grads = [grad for grad in found if grad is not None]
    if any(isinstance(grad, DTensor) for grad in grads):
        total = nn.utils.get_total_norm(grads)
        return float(total.full_tensor() if isinstance(total, DTensor) else total)
    kind = functools.reduce(torch.promote_types, [grad.dtype for grad in grads], torch.float32)
    # In pieces, since each is copied in the wider type.
    pieces = [piece for grad in grads for piece in grad.flatten().split(AT_ONCE // 16)]  # type: ignore[no-untyped-call]
    lengths = [torch.linalg.vector_norm(piece, dtype=kind) for piece in pieces]
    return float(torch.linalg.vector_norm(torch.stack(lengths))) if lengths else 0.0


@torch.no_grad()
def _hand_on(parameter: nn.Parameter, master: nn.Parameter) -> None:
    """Add a parameter's gradient to its master's."""
    if parameter is master or parameter.grad is None:
        return
    if master.grad is None:
        master.grad = parameter.grad.to(master.dtype)
    else:
        master.grad.add_(parameter.grad)
    parameter.grad = None
