"""Attention over a prefix-tree row that computes little more than the pairs of tokens that see each other.

The row is cut into blocks of queries and keys (`blocks`); each batch of blocks is a few plain matrix products, on a CPU
two to five times faster than torch's own attention with a mask. The backward pass recomputes the weights.
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
from gnomon.models import blocks
from gnomon.models.packing import Packed

NAME = "gnomon_tree"


@dataclass(frozen=True)
class Slots:
    """Where the rows of all blocks come from, for one number of heads. Rows of `N` x heads, block by block."""

    query_R: Tensor
    key_C: Tensor
    back: Tensor
    """For each of the `N` x `H` query rows, its place among the blocks'."""
    empty: Tensor
    """Places among the blocks' query rows that hold no query."""


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
    return Slots(query_R, key_C, back, (~real_R).nonzero()[:, 0])


class _Attend(torch.autograd.Function):
    """Scaled dot-product attention of all blocks: rows `N` x heads in, rows `N` x heads out."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, tree: Tree, scale: float) -> Tensor:
        tokens, heads, size = q.shape
        slots = tree.slots(heads, k.shape[1])
        q_RD = q.reshape(-1, size).index_select(0, slots.query_R)
        k_CD, v_CD = (x.reshape(-1, size).index_select(0, slots.key_C) for x in (k, v))
        out_RD = torch.empty_like(q_RD)
        for mask, q_, out_, k_, v_ in _each(tree, heads, k.shape[1], (q_RD, out_RD), (k_CD, v_CD)):
            weights = _weights(q_, k_, mask, scale).to(q.dtype)
            torch.bmm(weights, v_, out=out_)
        ctx.save_for_backward(q_RD, k_CD, v_CD)
        ctx.tree, ctx.scale, ctx.tokens, ctx.heads, ctx.kv = tree, scale, tokens, heads, k.shape[1]
        return out_RD.index_select(0, slots.back).view(tokens, heads, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q_RD, k_CD, v_CD = ctx.saved_tensors
        slots, size = ctx.tree.slots(ctx.heads, ctx.kv), q_RD.shape[1]
        grad_RD = grads[0].reshape(-1, size).index_select(0, slots.query_R).index_fill_(0, slots.empty, 0.0)
        to_q, to_k, to_v = (torch.empty_like(x) for x in (q_RD, k_CD, v_CD))
        queries, keys = (q_RD, grad_RD, to_q), (k_CD, v_CD, to_k, to_v)
        for mask, q_, grad_, to_q_, k_, v_, to_k_, to_v_ in _each(ctx.tree, ctx.heads, ctx.kv, queries, keys):
            weights = _weights(q_, k_, mask, ctx.scale)
            to_weights = torch.bmm(grad_, v_.transpose(1, 2)).to(weights.dtype)
            torch.bmm(weights.to(q_.dtype).transpose(1, 2), grad_, out=to_v_)
            to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
            to_scores = to_scores.mul_(ctx.scale).to(q_.dtype)
            torch.bmm(to_scores, k_, out=to_q_)
            torch.bmm(to_scores.transpose(1, 2), q_, out=to_k_)
        grad_q = to_q.index_select(0, slots.back).view(ctx.tokens, ctx.heads, size)
        grad_k, grad_v = (
            x.new_zeros(ctx.tokens * ctx.kv, size).index_add_(0, slots.key_C, x).view(ctx.tokens, ctx.kv, size)
            for x in (to_k, to_v)
        )
        return grad_q, grad_k, grad_v, None, None


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
    """Softmax of the scores, in at least float32."""
    count, length, seen = mask.shape
    wide = mask[:, None, None].expand(-1, len(q) // count, q.shape[1] // length, -1, -1)
    scores = wide.contiguous().view(len(q), q.shape[1], seen).baddbmm_(q, k.transpose(1, 2), alpha=scale)
    return scores.softmax(-1, dtype=torch.promote_types(q.dtype, torch.float32))


def attend(q: Tensor, k: Tensor, v: Tensor, tree: Tree, scale: float) -> Tensor:
    """Attention of `N` x heads x size, grouped queries allowed; returns what each query gathers."""
    if q.device.type == "cpu":
        out: Tensor = _Attend.apply(q, k, v, tree, scale)  # type: ignore[no-untyped-call]
        return out
    return composed(q, k, v, tree, scale)


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
