"""Which tokens of a packed row attend to which, cut into blocks so that little is computed only to be masked.

A block is a run of queries and the keys that any of them sees: its ancestors and itself. Cutting a subtree computes
fewer masked pairs but makes more products; a product costs about as much time as `PRODUCT` pairs. Blocks of almost one
size are padded and computed together. It computes no attention: `attention` does.
Source: dynamic programme over the trie, leaves first; in the order of `packing` descendants are contiguous.
Shapes: `M` blocks of one batch, `L` queries and `S` keys of the largest of them.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.models.packing import Packed

PRODUCT = 4096
"""Pairs of tokens that cost as much time as one more product: measured on 1 and 2 cores with 9 heads of 64."""
RUN = 128
"""Most tokens of an unbranched run in one block: half of its pairs are masked."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """Queries [start, end) and, before them, the runs of their common ancestors."""

    start: int
    end: int
    ancestors: tuple[Span, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Queries and keys."""
        size = self.end - self.start
        return size, size + sum(b - a for a, b in self.ancestors)


@dataclass(frozen=True)
class Batch:
    """Blocks that are computed in one product; an empty slot repeats its block's first token."""

    query_ML: Tensor
    """Flat position of each query."""
    key_MS: Tensor
    real_ML: Tensor
    """Slots that hold a query."""
    seen_MLS: Tensor
    """Keys that each query sees; an empty slot is seen by none, and sees what its block's first token sees."""


def batches(packed: Packed) -> list[Batch]:
    """The blocks of a packed row, in batches, the largest first."""
    return [_batch(blocks, packed.end_N) for blocks in _alike(cut(packed))]


def cut(packed: Packed) -> list[Block]:
    """The cheapest blocks: together their queries are every token, once."""
    runs, ends, depth = _runs(packed)
    at = {start: index for index, (start, _) in enumerate(runs)}

    def below(start: int, end: int) -> Iterator[int]:
        """Subtrees between two flat positions."""
        while start < end:
            yield at[start]
            start = ends[at[start]]

    cheapest, whole = [0] * len(runs), [False] * len(runs)
    for index in reversed(range(len(runs))):
        (start, end), last, before = runs[index], ends[index], depth[index]
        together = (last - start) * (before + last - start) + PRODUCT
        apart = (end - start) * (before + end - start) + PRODUCT + sum(cheapest[i] for i in below(end, last))
        cheapest[index], whole[index] = min(together, apart), together <= apart
    blocks: list[Block] = []
    todo: list[tuple[int, tuple[Span, ...]]] = [(i, ()) for i in below(0, len(packed.ids_N))]
    while todo:
        index, ancestors = todo.pop()
        (start, end), last = runs[index], ends[index]
        blocks.append(Block(start, last if whole[index] else end, ancestors))
        if not whole[index]:
            todo += [(i, (*ancestors, runs[index])) for i in below(end, last)]
    return blocks


def _runs(packed: Packed) -> tuple[list[Span], list[int], list[int]]:
    """Unbranched runs of at most RUN tokens, the end of each one's subtree, and how many tokens stand before it."""
    edges = [0, *((packed.end_N.diff() != 0).nonzero()[:, 0] + 1).tolist(), len(packed.end_N)]
    spans = [(start, min(start + RUN, b)) for a, b in itertools.pairwise(edges) for start in range(a, b, RUN)]
    starts = torch.tensor([start for start, _ in spans])
    return spans, packed.end_N[starts].tolist(), packed.position_N[starts].tolist()


def _alike(blocks: Sequence[Block]) -> list[list[Block]]:
    """Put blocks together as long as padding costs less than another product."""
    together: list[list[Block]] = []
    keys = 0
    for block in sorted(blocks, key=lambda b: (b.shape, b.start), reverse=True):
        queries, seen = block.shape
        if together:
            most, wider = together[-1][0].shape[0], max(keys, seen)
            waste = most * wider - queries * seen + len(together[-1]) * most * (wider - keys)
            if waste <= PRODUCT:
                together[-1].append(block)
                keys = wider
                continue
        together.append([block])
        keys = seen
    return together


def _batch(blocks: Sequence[Block], end_N: Tensor) -> Batch:
    lengths, widths = (torch.tensor(sizes) for sizes in zip(*(block.shape for block in blocks), strict=True))
    firsts = torch.tensor([block.start for block in blocks])
    key_MS = firsts[:, None].repeat(1, int(widths.max()))
    for row, block in zip(key_MS, blocks, strict=True):
        keys = torch.cat([torch.arange(a, b) for a, b in (*block.ancestors, (block.start, block.end))])
        row[: len(keys)] = keys
    offset_L = torch.arange(int(lengths.max()))
    real_ML = offset_L < lengths[:, None]
    query_ML = torch.where(real_ML, firsts[:, None] + offset_L, firsts[:, None])
    query_ML1, key_M1S = query_ML[:, :, None], key_MS[:, None, :]
    seen_MLS = (key_M1S <= query_ML1) & (query_ML1 < end_N[key_M1S])
    seen_MLS &= (torch.arange(key_MS.shape[1]) < widths[:, None])[:, None, :]
    return Batch(query_ML, key_MS, real_ML, seen_MLS)
