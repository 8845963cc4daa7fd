"""AdamW over float32 masters: the model computes in its own type, the optimiser keeps the exact weights.

A step of AdamW is smaller than what bfloat16 can hold; without masters most of it would be swallowed. Gradients are
added up in the masters' type as soon as a weight has one, so that several backward passes lose nothing either.
Of several processes each steps its own pieces, or all step alike. It chooses no rates and no steps.
Source: Loshchilov & Hutter, AdamW, 1711.05101; masters: Micikevicius et al., 1710.03740, section 3.1.
Fails: stored tensors that do not fit raise TrainingError.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from gnomon.core.errors import TrainingError
from gnomon.models import heap
from gnomon.training import world


class Optimizer:
    """AdamW on some parameters of a model; those in 16 bits get a float32 master.

    `rounded`: the parameters are exact and the model makes its own copies of them in 16 bits, as FSDP2 does.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, weight_decay: float = 0.0, rounded: bool = False) -> None:
        heap.keep()
        self.parameters, self._rounded = list(parameters), rounded
        self.masters = [p if p.dtype.itemsize >= 4 else _master(p) for p in self.parameters]
        self._weight_decay = weight_decay
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
        """Sum the gradient over all processes, and shorten it to at most `longest`; returns how long it was."""
        world.sum_gradients(self.masters)
        norm = nn.utils.clip_grad_norm_(self.masters, longest)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at this learning rate; the model computes with the new weights."""
        for group in self._adamw.param_groups:
            group["lr"] = rate
        self._adamw.step()
        for parameter, master in self._pairs():
            if parameter is not master:
                parameter.copy_(master)

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

    def _pairs(self) -> list[tuple[nn.Parameter, nn.Parameter]]:
        return list(zip(self.parameters, self.masters, strict=True))


def _master(parameter: nn.Parameter, dtype: torch.dtype | None = None) -> nn.Parameter:
    """The exact weights of a parameter; the parameter keeps a copy in `dtype` and hands its gradients on."""
    exact = torch.promote_types(parameter.dtype, torch.float32)
    master = nn.Parameter(parameter.detach().to(exact, copy=dtype is None))
    if dtype is not None:
        parameter.data = parameter.data.to(dtype)

    def hand_on(found: Tensor) -> None:
        grad = found.grad
        if grad is None:
            return
        if master.grad is None:
            master.grad = grad.to(exact)
        else:
            master.grad.add_(grad)
        found.grad = None

    parameter.register_post_accumulate_grad_hook(hand_on)  # type: ignore[no-untyped-call]
    return master
