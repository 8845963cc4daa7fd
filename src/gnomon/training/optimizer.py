"""AdamW over float32 masters: the model computes in its own type, the optimiser keeps the exact weights.

A step of AdamW is smaller than what bfloat16 can hold; without masters most of it would be swallowed. Gradients are
added up in the masters' type as soon as a weight has one, so that several backward passes lose nothing either.
It chooses no rates and no steps.
Source: Loshchilov & Hutter, AdamW, 1711.05101; masters: Micikevicius et al., 1710.03740, section 3.1.
Fails: stored tensors that do not fit raise TrainingError.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gnomon.core.errors import TrainingError


class Optimizer:
    """AdamW on some parameters of a model; those in 16 bits get a float32 master."""

    def __init__(self, parameters: Sequence[nn.Parameter], *, weight_decay: float = 0.0) -> None:
        self.parameters = list(parameters)
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
        """Shorten the gradient to at most `longest`; returns how long it was."""
        return float(nn.utils.clip_grad_norm_(self.masters, longest))

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
        """Moments, and masters where the model has only their copy, by name; they move on with the next step."""
        tensors = {
            f"{index}.{name}": value.detach().cpu().contiguous()
            for index, moments in self._adamw.state_dict()["state"].items()
            for name, value in moments.items()
        }
        for index, (parameter, master) in enumerate(self._pairs()):
            if parameter is not master:
                tensors[f"{index}.master"] = master.detach().cpu().contiguous()
        return tensors

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, _, key = name.partition(".")
            moments.setdefault(int(number), {})[key] = tensor
        for index, (parameter, master) in enumerate(self._pairs()):
            stored = moments.get(index, {}).pop("master", None)
            if (stored is None) != (parameter is master) or (stored is not None and stored.shape != master.shape):
                raise TrainingError("the stored optimiser is of another model or precision; train again")
            if stored is not None:
                master.copy_(stored)
                parameter.copy_(master)
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
