"""The passes of a training step that are not matrix products: kernels.c on a CPU, torch elsewhere.

Rotation while gathering, softmax and its gradient, probabilities of a vocabulary: each has both ways, equal up to
rounding. Norm and gate have C alone: where `serves` says no, a model keeps its own. Nothing here knows autograd.
Source: RMSNorm: Zhang & Sennrich, 1910.07467; gate: Shazeer, GLU variants, 2002.05202; rotation: Su et al., 2104.09864.
Shapes: `R` rows of `D` numbers; results in the inputs' type, sums and logarithms in at least float32.
Fails: never for a missing compiler; then torch computes.
"""

import contextlib
import ctypes
import functools
from collections.abc import Iterator
from ctypes import c_float, c_int, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gnomon.models.native import BFLOAT16, Unfit, compiled

SOURCE = Path(__file__).with_name("kernels.c")
FLAGS = ("-O3", "-std=gnu11", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
LARGEST = 1024
"""Most numbers in a row that is gathered."""
ROWS = 16
"""Rows of a vocabulary that torch holds in float32 at one time: 3 MiB for 49 152 words."""

_P, _N, _F, _I = c_void_p, c_int64, c_float, c_int
SIGNATURES = {
    "norm": (_P, _P, _F, _N, _N, _P, _P, _I),
    "norm_back": (_P, _P, _P, _P, _N, _N, _P, _P, _I),
    "gate": (_P, _P, _N, _P, _I),
    "gate_back": (_P, _P, _P, _N, _P, _P, _I),
    "gather": (_P, _P, _P, _N, _N, _N, _P, _P, _I, _P, _I),
    "softmax": (_P, _P, _F, _N, _N, _N, _N, _I),
    "softmax_back": (_P, _P, _F, _N, _N, _I),
    "probabilities": (_P, _F, _N, _N, _P, _P, _I),
}
_native = True


@dataclass(frozen=True)
class Angles:
    """Rotation of each token's heads: halves of a head are the two coordinates, as in transformers' `rotate_half`."""

    cosine_ND: Tensor
    sine_ND: Tensor
    heads: int
    """Rows that stand for one token."""

    def turn(self, rows_RD: Tensor, token_R: Tensor, *, back: bool = False) -> Tensor:
        """Rotate rows of some tokens, or rotate gradients back: the transposed product."""
        cosine, sine = self.cosine_ND[token_R], self.sine_ND[token_R]
        half = rows_RD.shape[1] // 2
        if back:
            turned = rows_RD * sine
            return rows_RD * cosine + torch.cat([turned[:, half:], -turned[:, :half]], 1)
        return rows_RD * cosine + torch.cat([-rows_RD[:, half:], rows_RD[:, :half]], 1) * sine


@contextlib.contextmanager
def torch_alone() -> Iterator[None]:
    """Compute without C in here: for measuring what it brings, and for tests."""
    global _native
    before, _native = _native, False
    try:
        yield
    finally:
        _native = before


def serves(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether C computes for tensors of this kind."""
    return _native and device.type == "cpu" and dtype in BFLOAT16 and _library(dtype) is not None


def norm(x_RD: Tensor, weight_D: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x times its inverse root mean square times the weight, and that inverse `R`, which `norm_back` wants."""
    out, inverse_R = torch.empty_like(x_RD), x_RD.new_empty(len(x_RD), dtype=torch.float32)
    _call("norm", x_RD, weight_D, eps, *x_RD.shape, out, inverse_R)
    return out, inverse_R


def norm_back(grad_RD: Tensor, x_RD: Tensor, weight_D: Tensor, inverse_R: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients in x and in the weight, the latter in float32."""
    to_x, to_weight = torch.empty_like(x_RD), inverse_R.new_zeros(torch.get_num_threads(), x_RD.shape[1])
    _call("norm_back", grad_RD, x_RD, weight_D, inverse_R, *x_RD.shape, to_x, to_weight)
    return to_x, to_weight.sum(0)


def gate(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) up"""
    out = torch.empty_like(gate)
    _call("gate", gate, up, gate.numel(), out)
    return out


def gate_back(grad: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients in gate and up."""
    to_gate, to_up = torch.empty_like(gate), torch.empty_like(up)
    _call("gate_back", grad, gate, up, gate.numel(), to_gate, to_up)
    return to_gate, to_up


def gather(x: Tensor, index_R: Tensor, angles: Angles | None = None) -> Tensor:
    """Row index_R[r] of x at r, turned by the angle of its token; zeros where the index is negative."""
    if serves(x.dtype, x.device) and x.shape[1] <= LARGEST:
        return _gathered(x, None, index_R, len(index_R), angles, 1)
    out = x.index_select(0, index_R.clamp_min(0))
    if angles is not None:
        out = angles.turn(out, index_R.clamp_min(0) // angles.heads)
    return out.masked_fill_((index_R < 0)[:, None], 0.0)


def gather_sum(x: Tensor, start_R: Tensor, index: Tensor, angles: Angles | None = None) -> Tensor:
    """The sum of rows index[start_R[r]] .. of x at r, turned back by the angle of r's token. `start_R` has one more."""
    rows = len(start_R) - 1
    if serves(x.dtype, x.device) and x.shape[1] <= LARGEST:
        return _gathered(x, start_R, index, rows, angles, -1)
    here_R = torch.arange(rows, device=x.device)
    owner = torch.repeat_interleave(here_R, start_R.diff())
    out = x.new_zeros(rows, x.shape[1]).index_add_(0, owner, x.index_select(0, index))
    return out if angles is None else angles.turn(out, here_R // angles.heads, back=True)


def softmax_(scores: Tensor, mask_MLS: Tensor, scale: float) -> Tensor:
    """softmax(scale * scores + mask) in place; scores are `M` x heads x `L` x `S`, the first three in any grouping."""
    count, length, seen = mask_MLS.shape
    rows = scores.numel() // seen
    if serves(scores.dtype, scores.device):
        _call("softmax", scores, mask_MLS.to(scores.dtype), scale, rows, seen, length, rows // (count * length))
        return scores
    exact = torch.promote_types(scores.dtype, torch.float32)
    wide = scores.view(count, -1, length, seen).to(exact) * scale + mask_MLS[:, None]
    return scores.copy_(wide.softmax(-1).view_as(scores))


def softmax_back_(weights: Tensor, to_weights: Tensor, scale: float) -> Tensor:
    """Gradient in the scores, in place of that in the weights."""
    if serves(weights.dtype, weights.device):
        _call("softmax_back", weights, to_weights, scale, weights.numel() // weights.shape[-1], weights.shape[-1])
        return to_weights
    exact = torch.promote_types(weights.dtype, torch.float32)
    grad, plain = to_weights.to(exact), weights.to(exact)
    return to_weights.copy_(torch._softmax_backward_data(grad, plain, -1, exact).mul_(scale))


def probabilities(logits_UV: Tensor, scale: float, *, keep: bool) -> tuple[Tensor | None, Tensor]:
    """softmax(scale * logits) row by row if it is to be kept, and `lse_U`: log sum exp(scale * logits)."""
    exact = torch.promote_types(logits_UV.dtype, torch.float32)
    out = torch.empty_like(logits_UV) if keep else None
    if serves(logits_UV.dtype, logits_UV.device):
        lse_U = logits_UV.new_empty(len(logits_UV), dtype=exact)
        _call("probabilities", logits_UV, scale, *logits_UV.shape, out, lse_U)
        return out, lse_U
    parts = []
    for start in range(0, len(logits_UV), ROWS):
        part = logits_UV[start : start + ROWS].to(exact) * scale
        parts.append(part.logsumexp(-1))
        if out is not None:
            out[start : start + ROWS] = part.sub_(parts[-1][:, None]).exp_()
    return out, torch.cat(parts)


def _gathered(x: Tensor, start: Tensor | None, index: Tensor, rows: int, angles: Angles | None, turn: int) -> Tensor:
    out = x.new_empty(rows, x.shape[1])
    cosine, sine, heads = (angles.cosine_ND, angles.sine_ND, angles.heads) if angles else (None, None, 1)
    _call("gather", x.contiguous(), start, index, rows, x.shape[1], heads, cosine, sine, turn, out)
    return out


@functools.cache
def _library(dtype: torch.dtype) -> ctypes.CDLL | None:
    try:
        loaded = ctypes.CDLL(str(compiled(SOURCE, dtype, FLAGS)))
    except (Unfit, OSError):
        return None
    for name, kinds in SIGNATURES.items():
        getattr(loaded, name).argtypes, getattr(loaded, name).restype = kinds, None
    return loaded


def _call(name: str, *given: Tensor | float | None) -> None:
    """Call C with the addresses of tensors, which must lie dense, and the number of threads."""
    first = next(x for x in given if isinstance(x, Tensor))
    plain = []
    for x in given:
        if isinstance(x, Tensor) and not x.is_contiguous():
            raise AssertionError(f"{name}: a tensor of shape {tuple(x.shape)} does not lie dense")
        plain.append(x.data_ptr() if isinstance(x, Tensor) else x)
    getattr(_library(first.dtype), name)(*plain, torch.get_num_threads())
