"""The parts of a Llama-like layer with few passes over memory, in place of transformers' own while a packed row runs.

RMSNorm, the gated MLP and attention with its rotation. A part is replaced only if it has the structure and gives, on
random numbers, what its own forward gives; every other part, and every other model, keeps its own. The replacement
stays on the module and acts while tree attention is the model's attention: recomputed layers meet the same forward.
It is for CPUs, in float32 and bfloat16 (`kernels.serves`); on a GPU torch's own kernels do this.
Shapes: `N` tokens, `D` a module's width, `H` heads.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from gnomon.core.errors import ModelError
from gnomon.models import attention, kernels
from gnomon.models.packing import pack

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
"""Largest difference from a module's own forward, as a share of the largest output."""
MLP = {"gate_proj", "up_proj", "down_proj", "act_fn"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}

_seen: "weakref.WeakSet[nn.Module]" = weakref.WeakSet()


def install(model: Any) -> None:
    """Replace what can be replaced, once for a model. Call it where tree attention is the model's attention."""
    if model in _seen or not all(_served(p) for p in model.parameters()):
        return
    _seen.add(model)
    for module in model.modules():
        forward = _forward_of(module)
        # A forward that stands on the instance is somebody else's.
        if forward is not None and "forward" not in vars(module) and _agrees(module, forward):
            module.forward = functools.partial(_run, model.config, module, forward)


def replaced(module: nn.Module) -> bool:
    """Whether the forward pass that stands on a module is a replacement from here, which acts in training alone."""
    return getattr(vars(module).get("forward"), "func", None) is _run


def _run(config: Any, module: nn.Module, forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The replacement where it is meant, the module's own forward everywhere else."""
    x = given[0] if given else named["hidden_states"]
    if config._attn_implementation == attention.NAME and kernels.serves(x.dtype, x.device):
        return forward(module, *given, **named)
    return type(module).forward(module, *given, **named)


def _served(parameter: nn.Parameter) -> bool:
    # Pieces of FSDP2 come together only inside the layers, after the comparison.
    return not isinstance(parameter, DTensor) and kernels.serves(parameter.dtype, parameter.device)


def _forward_of(module: nn.Module) -> Callable[..., Any] | None:
    children = {name for name, _ in module.named_children()}
    own = {name for name, _ in module.named_parameters(recurse=False)}
    if not children and own == {"weight"} and hasattr(module, "variance_epsilon"):
        return norm
    if children == MLP:
        return mlp
    if ATTENTION <= children <= ATTENTION | {"q_norm", "k_norm"} and hasattr(module, "scaling"):
        return attend
    return None


@torch.no_grad()
def _agrees(module: nn.Module, forward: Callable[..., Any]) -> bool:
    """Whether a replacement gives what the module's own forward gives."""
    weight = next(module.parameters())
    draw = torch.Generator().manual_seed(0)
    packed = pack([[1, 2], [1, 3]], [[4, 5], [6]])

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw).to(weight.dtype)

    more: dict[str, Any] = {}
    if forward is attend:
        size: int = module.head_dim  # type: ignore[assignment]
        angles = random(1, len(packed.ids_N), size // 2).repeat(1, 1, 2)
        layout = attention.tree(packed, device=weight.device, dtype=weight.dtype)
        more = {"position_embeddings": (angles.cos(), angles.sin()), "attention_mask": None, "tree": layout}
    x = random(1, len(packed.ids_N), weight.shape[-1])
    try:
        wanted, found = module(x, **more), forward(module, x, **more)
    except (ModelError, AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        return False
    if forward is attend:
        wanted, found = wanted[0], found[0]
    if wanted.shape != found.shape:
        return False
    return bool((wanted - found).abs().max() <= TOLERANCE[weight.dtype] * wanted.abs().max())


def norm(module: Any, hidden_states: Tensor) -> Tensor:
    """RMSNorm over the last axis."""
    out: Tensor = _Norm.apply(hidden_states, module.weight, module.variance_epsilon)  # type: ignore[no-untyped-call]
    return out


def mlp(module: Any, x: Tensor) -> Tensor:
    """down(silu(gate(x)) up(x))"""
    gate, up, down = module.gate_proj(x), module.up_proj(x), module.down_proj
    plain = type(down) is nn.Linear and down.bias is None
    if plain and not down._forward_hooks and not down._forward_pre_hooks:
        out: Tensor = _Down.apply(gate, up, down.weight)  # type: ignore[no-untyped-call]
    else:
        out = down(_Gate.apply(gate, up))  # type: ignore[no-untyped-call]
    return out


def attend(
    module: Any, hidden_states: Tensor, *, position_embeddings: tuple[Tensor, Tensor], tree: attention.Tree, **_: Any
) -> tuple[Tensor, None]:
    """Attention with its projections; queries and keys are rotated where they are gathered."""
    tokens, size = hidden_states.shape[1], module.head_dim
    q, k, v = (
        project(hidden_states).view(tokens, -1, size) for project in (module.q_proj, module.k_proj, module.v_proj)
    )
    if hasattr(module, "q_norm"):
        q, k = module.q_norm(q), module.k_norm(k)
    cosine, sine = (x[0].to(q.dtype).contiguous() for x in position_embeddings)
    out = attention.rotated(q, k, v, cosine, sine, tree, module.scaling)
    return module.o_proj(out.reshape(1, tokens, -1)), None


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        x_RD = x.reshape(-1, x.shape[-1])
        out, inverse_R = kernels.norm(x_RD.contiguous(), weight, eps)
        ctx.save_for_backward(x_RD, weight, inverse_R)
        return out.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        x_RD, weight, inverse_R = ctx.saved_tensors
        to_x, to_weight = kernels.norm_back(grads[0].reshape_as(x_RD).contiguous(), x_RD, weight, inverse_R)
        return to_x.view_as(grads[0]), to_weight.to(weight.dtype), None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return kernels.gate(gate, up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        return kernels.gate_back(grads[0].contiguous(), *ctx.saved_tensors)


class _Down(torch.autograd.Function):
    """The product in between is a layer's widest tensor: it is not kept, but made again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up, weight)
        return nn.functional.linear(kernels.gate(gate, up), weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        gate, up, weight = ctx.saved_tensors
        to_weight = None
        if ctx.needs_input_grad[2]:
            to_weight = grads[0].flatten(0, -2).T @ kernels.gate(gate, up).flatten(0, -2)
        to_gate, to_up = kernels.gate_back((grads[0] @ weight).contiguous(), gate, up)
        return to_gate, to_up, to_weight
