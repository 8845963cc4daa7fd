"""Attention over a prefix-tree row that computes little more than the pairs of tokens that see each other.

The row is cut into blocks of queries and keys (`blocks`); each batch of blocks is a few plain matrix products, on a CPU
two to five times faster than torch's own attention with a mask. Rows may be rotated where they are gathered. The
backward pass recomputes the weights.
It does not do sliding windows, soft caps or attention sinks: `logprobs` takes the dense mask or refuses for those.
Source: Dao et al., FlashAttention, 2205.14135: what the backward pass keeps and recomputes.
Shapes: `H` query heads, `h` key heads, `M` blocks, `L` queries and `S` keys of a block, `D` head size; `R` and `C` rows
of all blocks' queries and keys, head by head.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gnomon.core.errors import ModelError
from gnomon.models import blocks, kernels
from gnomon.models.packing import Packed

NAME = "gnomon_tree"


@dataclass(frozen=True)
class Slots:
    """Where the rows of all blocks come from, for one number of heads. Rows of `N` x heads, block by block."""

    query_R: Tensor
    key_C: Tensor
    real_R: Tensor
    """As `query_R`, but -1 where the slot is empty."""
    back: Tensor
    """For each of the `N` x `H` query rows, its place among the blocks'."""
    copies: Tensor
    """Places of each of the `N` x `h` key rows among the blocks', key row after key row."""
    first: Tensor
    """Where in `copies` those of a key row begin, and the end of the last."""


@dataclass(frozen=True)
class Tree:
    """What attention needs to know of a packed row, computed once for all layers."""

    batches: list[blocks.Batch]
    mask_MLS: list[Tensor]
    """Additive mask of each batch: 0 where seen, -inf elsewhere."""
    _slots: dict[tuple[int, int], Slots] = field(default_factory=dict)

    def slots(self, heads: int, kv: int) -> Slots:
        """The index of a layer with so many query and key heads."""
        if (heads, kv) not in self._slots:
            self._slots[heads, kv] = _slots(self.batches, heads, kv)
        return self._slots[heads, kv]


def tree(packed: Packed, *, device: torch.device, dtype: torch.dtype) -> Tree:
    """Index and masks of a packed row."""
    found = [
        blocks.Batch(*(x.to(device) for x in (b.query_ML, b.key_MS, b.real_ML, b.seen_MLS)))
        for b in blocks.batches(packed)
    ]
    masks = [torch.zeros(b.seen_MLS.shape, dtype=dtype, device=device) for b in found]
    return Tree(found, [m.masked_fill_(~b.seen_MLS, -torch.inf) for m, b in zip(masks, found, strict=True)])


def _slots(batches: list[blocks.Batch], heads: int, kv: int) -> Slots:
    where = batches[0].query_ML.device
    heads_H, heads_h = (torch.arange(n, device=where) for n in (heads, kv))
    query_R = torch.cat([(b.query_ML[:, None] * heads + heads_H[:, None]).flatten() for b in batches])
    key_C = torch.cat([(b.key_MS[:, None] * kv + heads_h[:, None]).flatten() for b in batches])
    real_R = torch.cat([b.real_ML[:, None].expand(-1, heads, -1).flatten() for b in batches])
    places = real_R.nonzero()[:, 0]
    back = torch.empty_like(places)
    back[query_R[places]] = places
    rows = len(places) // heads * kv
    first = torch.cat([torch.zeros_like(places[:1]), torch.bincount(key_C, minlength=rows).cumsum(0)])
    return Slots(query_R, key_C, query_R.where(real_R, -1), back, key_C.argsort(stable=True), first)


class _Attend(torch.autograd.Function):
    """Scaled dot-product attention of all blocks: `N` x heads x `D` in and out; with angles it rotates q and k."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, cosine: Tensor | None, sine: Tensor | None, tree: Tree, scale: float
    ) -> Tensor:
        (tokens, heads, size), kv = q.shape, k.shape[1]
        slots = tree.slots(heads, kv)
        turn_q, turn_k = (_angles(cosine, sine, number) for number in (heads, kv))
        q_RD = kernels.gather(q.reshape(-1, size), slots.query_R, turn_q)
        k_CD = kernels.gather(k.reshape(-1, size), slots.key_C, turn_k)
        v_CD = kernels.gather(v.reshape(-1, size), slots.key_C)
        out_RD = torch.empty_like(q_RD)
        for mask, q_, out_, k_, v_ in _each(tree, heads, kv, (q_RD, out_RD), (k_CD, v_CD)):
            torch.bmm(_weights(q_, k_, mask, scale), v_, out=out_)
        ctx.save_for_backward(q_RD, k_CD, v_CD)
        ctx.layout = tree, scale, heads, kv, turn_q, turn_k
        return kernels.gather(out_RD, slots.back).view(tokens, heads, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q_RD, k_CD, v_CD = ctx.saved_tensors
        tree, scale, heads, kv, turn_q, turn_k = ctx.layout
        slots, size = tree.slots(heads, kv), q_RD.shape[1]
        grad_RD = kernels.gather(grads[0].reshape(-1, size), slots.real_R)
        to_q, to_k, to_v = (torch.empty_like(x) for x in (q_RD, k_CD, v_CD))
        queries, keys = (q_RD, grad_RD, to_q), (k_CD, v_CD, to_k, to_v)
        for mask, q_, grad_, to_q_, k_, v_, to_k_, to_v_ in _each(tree, heads, kv, queries, keys):
            weights = _weights(q_, k_, mask, scale)
            torch.bmm(weights.transpose(1, 2), grad_, out=to_v_)
            to_scores = kernels.softmax_back_(weights, torch.bmm(grad_, v_.transpose(1, 2)), scale)
            torch.bmm(to_scores, k_, out=to_q_)
            torch.bmm(to_scores.transpose(1, 2), q_, out=to_k_)
        each = torch.arange(len(slots.back) + 1, device=q_RD.device)
        grad_q = kernels.gather_sum(to_q, each, slots.back, turn_q)
        grad_k = kernels.gather_sum(to_k, slots.first, slots.copies, turn_k)
        grad_v = kernels.gather_sum(to_v, slots.first, slots.copies)
        return *(x.view(len(grads[0]), -1, size) for x in (grad_q, grad_k, grad_v)), None, None, None, None


def _angles(cosine: Tensor | None, sine: Tensor | None, heads: int) -> kernels.Angles | None:
    return None if cosine is None or sine is None else kernels.Angles(cosine, sine, heads)


def _each(
    tree: Tree, heads: int, kv: int, queries: tuple[Tensor, ...], keys: tuple[Tensor, ...]
) -> Iterator[tuple[Tensor, ...]]:
    """For each batch: its mask, and its part of the query rows and the key rows, a key head's queries together."""
    row = column = 0
    for mask in tree.mask_MLS:
        count, length, seen = mask.shape
        rows, columns = slice(row, row + count * length * heads), slice(column, column + count * seen * kv)
        shape, size = (count * kv, heads // kv * length), queries[0].shape[1]
        yield mask, *(x[rows].view(*shape, size) for x in queries), *(x[columns].view(shape[0], -1, size) for x in keys)
        row, column = rows.stop, columns.stop


def _weights(q: Tensor, k: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Softmax of the scores."""
    return kernels.softmax_(torch.bmm(q, k.transpose(1, 2)), mask, scale)


def attend(q: Tensor, k: Tensor, v: Tensor, tree: Tree, scale: float) -> Tensor:
    """Attention of `N` x heads x `D`, grouped queries allowed."""
    return rotated(q, k, v, None, None, tree, scale) if q.device.type == "cpu" else composed(q, k, v, tree, scale)


def rotated(
    q: Tensor, k: Tensor, v: Tensor, cosine_ND: Tensor | None, sine_ND: Tensor | None, tree: Tree, scale: float
) -> Tensor:
    """The same on a CPU, of queries and keys that are rotated on the way if there are angles."""
    out: Tensor = _Attend.apply(q, k, v, cosine_ND, sine_ND, tree, scale)  # type: ignore[no-untyped-call]
    return out


def composed(q: Tensor, k: Tensor, v: Tensor, tree: Tree, scale: float) -> Tensor:
    """The same by torch's own attention, for devices with a fast one."""
    parts = []
    for batch, mask in zip(tree.batches, tree.mask_MLS, strict=True):
        q_, k_, v_ = (x[at].transpose(1, 2) for x, at in ((q, batch.query_ML), (k, batch.key_MS), (v, batch.key_MS)))
        found = nn.functional.scaled_dot_product_attention(
            q_, k_, v_, attn_mask=mask[:, None], scale=scale, enable_gqa=True
        )
        parts.append(found.transpose(1, 2)[batch.real_ML])
    at = torch.cat([batch.query_ML[batch.real_ML] for batch in tree.batches])
    return torch.cat(parts)[at.argsort()]


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    tree: Tree | None = None,
    scaling: float | None = None,
    **other: Any,
) -> tuple[Tensor, None]:
    """Tree attention in the form that transformers calls; `tree` comes through the model's keyword arguments."""
    if tree is None or any(other.get(name) is not None for name in ("softcap", "s_aux", "sliding_window")):
        raise ModelError(f"{type(module).__name__} needs more than tree attention gives; pass attention='dense'")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    return attend(q, k, v, tree, scale)[None], None


ALL_ATTENTION_FUNCTIONS.register(NAME, attention)
