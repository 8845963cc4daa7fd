"""Log-probabilities of completions under a causal language model, with gradient, and the divergences made of them.

Logits are computed only where a completion token is predicted. Their probabilities are made in the forward pass, in the
model's own type and a few rows at a time from float32, so that no float32 copy of all logits ever exists; the backward
pass scales them. Tokens' own entries come from exact numbers: a probability near 1 leaves little to be rounded.
It neither samples nor averages over prompts.
Source: k1, k3: Schulman, "Approximating KL Divergence" (2020); KL of sequences by the chain rule, summed over tokens.
Shapes: `K` completion tokens of all sequences, `B` sequences, `U` rows of logits, `V` vocabulary.
Units: nats.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gnomon.core.errors import ModelError
from gnomon.models import attention as tree_attention
from gnomon.models import fused, kernels
from gnomon.models.packing import Packed

Attention = Literal["tree", "dense"]
ROWS = 64
"""Rows of logits that moments are taken of at once: each is copied in float32 a few times."""


def token_logp(
    model: nn.Module, packed: Packed, *, attention: Attention | None = None, temperature: float = 1.0
) -> Tensor:
    """Log-probability of each completion token, `logp_K` in at least float32, with gradient where it is enabled.

    `temperature` divides the logits: the log-probability under sampling at that temperature.
    `model` is a transformers causal language model. `attention` is chosen by what the model supports when not given.
    """
    with _attending(model, packed, attention) as arguments:
        logits_UV = model(**arguments, logits_to_keep=packed.predictors_U.to(_device(model))).logits[0]
    logp_K: Tensor = _Select.apply(  # type: ignore[no-untyped-call]
        logits_UV, packed.row_K.to(_device(model)), packed.target_K.to(_device(model)), 1 / temperature
    )
    return logp_K


def token_moments(
    model: nn.Module, packed: Packed, *, attention: Attention | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """For each completion token its log-probability, and the mean and standard deviation of those of all words there.

    Under the model's own distribution: the mean is minus its entropy. Without gradient, in float32.
    """
    with torch.no_grad():
        with _attending(model, packed, attention) as arguments:
            logits_UV = model(**arguments, logits_to_keep=packed.predictors_U.to(_device(model))).logits[0]
        row_K, target_K = packed.row_K.to(_device(model)), packed.target_K.to(_device(model))
        moments = []
        for rows_RV in logits_UV.split(ROWS):
            logp_RV = rows_RV.float()
            lse_R = logp_RV.logsumexp(-1)
            # A word that cannot come has log-probability -inf, and weighs nothing.
            logp_RV = (logp_RV - lse_R[:, None]).clamp_(min=-1e4)
            p_RV = logp_RV.exp()
            mean_R = torch.linalg.vecdot(p_RV, logp_RV)
            logp_RV -= mean_R[:, None]
            spread_R = torch.linalg.vecdot(p_RV.mul_(logp_RV), logp_RV).sqrt()
            moments.append((lse_R, mean_R, spread_R))
        lse_U, mean_U, spread_U = (torch.cat(parts) for parts in zip(*moments, strict=True))
        return logits_UV[row_K, target_K].float() - lse_U[row_K], mean_U[row_K], spread_U[row_K]


def hidden(model: nn.Module, packed: Packed, at_U: Tensor, *, attention: Attention | None = None) -> Tensor:
    """What the model's last layer says at some flat positions of a row, behind its final norm: `U` x hidden size."""
    trunk: Any = model.base_model
    with _attending(model, packed, attention) as arguments:
        hidden_ND: Tensor = trunk(**arguments).last_hidden_state[0]
    return hidden_ND.index_select(0, at_U.to(hidden_ND.device))


def sequence_logp(model: nn.Module, packed: Packed, *, attention: Attention | None = None) -> Tensor:
    """Log-probability of each completion given its prompt, `logp_B`."""
    return per_sequence(token_logp(model, packed, attention=attention), packed)


def per_sequence(value_K: Tensor, packed: Packed) -> Tensor:
    """Sum of a per-token value over each completion."""
    start = value_K.new_zeros(len(packed.count_B))
    return start.index_add(0, packed.owner_K.to(value_K.device), value_K)


def k1(logp: Tensor, reference: Tensor) -> Tensor:
    """log(policy / reference): unbiased for KL(policy || reference) on the policy's samples; may be negative."""
    return logp - reference


def k3(logp: Tensor, reference: Tensor) -> Tensor:
    """r - log r - 1 with r = reference / policy: unbiased on the policy's samples, and never negative.

    As a quantity to read, not to descend: its gradient is not the gradient of the divergence.
    """
    gap = reference - logp
    return torch.expm1(gap) - gap


def sequence_kl(
    logp_K: Tensor, reference_K: Tensor, packed: Packed, *, estimator: Literal["k1", "k3"] = "k1"
) -> Tensor:
    """One-sample estimate of KL(policy || reference) of each completion, `kl_B` in nats a sequence.

    The completions must be the policy's own samples, at the temperature of both log-probabilities, else the mean is
    not the divergence.
    """
    return per_sequence({"k1": k1, "k3": k3}[estimator](logp_K, reference_K), packed)


class _Select(torch.autograd.Function):
    """log softmax(scale * logits)[row, target] without the log-softmax of all rows."""

    @staticmethod
    def forward(ctx: Any, logits_UV: Tensor, row_K: Tensor, target_K: Tensor, scale: float) -> Tensor:
        probability_UV, lse_U = kernels.probabilities(logits_UV, scale, keep=ctx.needs_input_grad[0])
        logp_K = logits_UV[row_K, target_K].to(lse_U.dtype) * scale - lse_U[row_K]
        ctx.save_for_backward(logp_K, row_K, target_K)
        ctx.probability_UV, ctx.scale = probability_UV, scale
        return logp_K

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        logp_K, row_K, target_K = ctx.saved_tensors
        # Nobody else holds it, and it is large: it becomes the gradient. A second backward pass has nothing to go by.
        out_UV, ctx.probability_UV = ctx.probability_UV, None
        if out_UV is None:
            raise RuntimeError("these log-probabilities have been differentiated; compute them again")
        grad_K = grads[0] * ctx.scale
        grad_U = grad_K.new_zeros(len(out_UV)).index_add_(0, row_K, grad_K)
        out_UV.mul_(-grad_U.to(out_UV.dtype)[:, None])
        # Completions may share a row, and the token with it: then their gradients add up.
        entries, entry_K = torch.unique(row_K * out_UV.shape[1] + target_K, return_inverse=True)
        own = grad_K.new_zeros(len(entries)).index_add_(0, entry_K, grad_K)
        probability = grad_K.new_zeros(len(entries)).index_copy_(0, entry_K, logp_K.exp())
        row = entries // out_UV.shape[1]
        out_UV.view(-1)[entries] = (own - probability * grad_U[row]).to(out_UV.dtype)
        return out_UV, None, None, None


@contextlib.contextmanager
def _attending(model: nn.Module, packed: Packed, attention: Attention | None) -> Iterator[dict[str, Any]]:
    """Arguments that run a packed row through a model, chosen by what the model supports when nothing is said."""
    device = _device(model)
    chosen = attention or ("tree" if getattr(model, "_supports_attention_backend", False) else "dense")
    _check_window(model, packed)
    arguments = {
        "input_ids": packed.ids_N[None].to(device),
        "position_ids": packed.position_N[None].to(device),
        "use_cache": False,
    }
    if chosen == "tree":
        layout = tree_attention.tree(packed, device=device, dtype=_dtype(model))
        with _implementation(model, tree_attention.NAME):
            fused.install(model)
            yield {**arguments, "attention_mask": None, "tree": layout}
    else:
        mask = torch.zeros(1, 1, *packed.mask_NN.shape, dtype=_dtype(model))
        yield {
            **arguments,
            "attention_mask": mask.masked_fill_(~packed.mask_NN, torch.finfo(mask.dtype).min).to(device),
        }


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


@contextlib.contextmanager
def _implementation(model: nn.Module, name: str) -> Iterator[None]:
    """Run with another attention function; not safe for two threads on one model."""
    config: Any = model.config
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def _dtype(model: nn.Module) -> torch.dtype:
    """The type that activations have: that of the input embedding."""
    embedding: Any = model.get_input_embeddings()  # type: ignore[operator]
    dtype: torch.dtype = embedding.weight.dtype
    return dtype


def _check_window(model: nn.Module, packed: Packed) -> None:
    config: Any = model.config
    window = getattr(config, "sliding_window", None)
    longest = int(packed.position_N.max()) + 1
    if window and getattr(config, "use_sliding_window", True) and longest > window:
        raise ModelError(
            f"a sequence of {longest} tokens is longer than the model's attention window of {window}, "
            "which packing does not reproduce; shorten the prompts"
        )
