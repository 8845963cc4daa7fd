"""Prefix-tree packing: a batch of token sequences in one flat row in which every shared prefix stands once.

It runs no model: `logprobs` does. It pads nothing, cuts nothing and drops nothing.
The sequences are sorted, so the layout does not depend on the order of the batch, and each tree token's descendants
are the contiguous run [i, end_i): token i sees token j exactly if j <= i < end_j.
Shapes: `N` flat tokens, `B` sequences, `K` completion tokens of all sequences, `U` flat positions that predict one.
Units: tokens.
Fails: closed; an empty prompt or completion raises DataError that names the sequence.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.core.errors import DataError


@dataclass(frozen=True)
class Packed:
    """One flat row: the trie of a batch's token sequences in depth-first order."""

    ids_N: Tensor
    """Token of each tree node."""
    position_N: Tensor
    """Depth of each node: its position in every sequence that passes through it."""
    end_N: Tensor
    """One past the last descendant of each node."""
    trunk: int
    """How many leading tokens every sequence shares."""
    groups: tuple[tuple[int, int], ...]
    """[start, end) of each subtree below the trunk; tokens of different groups never see each other."""
    predictors_U: Tensor
    """Flat positions whose logits are needed, ascending, each once."""
    row_K: Tensor
    """For each completion token, which of the `U` positions predicts it."""
    target_K: Tensor
    """The completion tokens, sequence after sequence in the order they were given."""
    owner_K: Tensor
    """The sequence that each completion token belongs to."""
    count_B: Tensor
    """Completion tokens of each sequence."""
    last_B: Tensor
    """Flat position of each sequence's last token."""

    @property
    def mask_NN(self) -> Tensor:
        """The tree attention mask: True where the row's token sees the column's token."""
        index_N = torch.arange(len(self.ids_N))
        return (index_N[None, :] <= index_N[:, None]) & (index_N[:, None] < self.end_N[None, :])


def pack(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> Packed:
    """Lay out prompt + completion of each sequence as one trie.

    >>> packed = pack([[1, 2], [1, 2]], [[3, 4], [5]])
    >>> packed.ids_N.tolist(), packed.position_N.tolist(), packed.predictors_U.tolist()
    ([1, 2, 3, 4, 5], [0, 1, 2, 3, 2], [1, 2])
    """
    _check(prompts, completions)
    sequences = [(*p, *c) for p, c in zip(prompts, completions, strict=True)]
    ids, depth, paths = _lay_out(sequences)
    ends = _ends(depth)
    trunk = next((i for i, end in enumerate(ends) if end < len(ids)), len(ids))
    groups, start = [], trunk
    while start < len(ids):
        groups.append((start, ends[start]))
        start = ends[start]
    before = [paths[b][i] for b, p in enumerate(prompts) for i in range(len(p) - 1, len(sequences[b]) - 1)]
    predictors_U, row_K = torch.unique(torch.tensor(before), return_inverse=True)
    count_B = torch.tensor([len(c) for c in completions])
    return Packed(
        ids_N=torch.tensor(ids),
        position_N=torch.tensor(depth),
        end_N=torch.tensor(ends),
        trunk=trunk,
        groups=tuple(groups),
        predictors_U=predictors_U,
        row_K=row_K,
        target_K=torch.tensor([token for c in completions for token in c]),
        owner_K=torch.repeat_interleave(torch.arange(len(completions)), count_B),
        count_B=count_B,
        last_B=torch.tensor([path[-1] for path in paths]),
    )


def packed_length(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens the trie of these sequences holds."""
    ordered = sorted(map(tuple, sequences))
    shared = sum(_common(a, b) for a, b in itertools.pairwise(ordered))
    return sum(map(len, ordered)) - shared


def _check(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> None:
    if len(prompts) != len(completions):
        raise DataError(f"{len(prompts)} prompts but {len(completions)} completions; give one to each")
    if not prompts:
        raise DataError("nothing to pack; give at least one sequence")
    for index, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        if not prompt:
            raise DataError(f"sequence {index}: the prompt is empty; begin it with the model's first token")
        if not completion:
            raise DataError(f"sequence {index}: the completion is empty; end it with the model's end token, or drop it")


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _lay_out(sequences: Sequence[tuple[int, ...]]) -> tuple[list[int], list[int], list[list[int]]]:
    """Tokens and depths in depth-first order, and the flat positions of each sequence's tokens."""
    ids: list[int] = []
    depth: list[int] = []
    paths: list[list[int]] = [[] for _ in sequences]
    last: int | None = None
    # In sorted order a sequence shares with its predecessor at least what it shares with any earlier one.
    for b in sorted(range(len(sequences)), key=lambda b: sequences[b]):
        shared = 0 if last is None else _common(sequences[last], sequences[b])
        fresh = range(len(ids), len(ids) + len(sequences[b]) - shared)
        paths[b] = [*(paths[last][:shared] if last is not None else ()), *fresh]
        ids += sequences[b][shared:]
        depth += range(shared, len(sequences[b]))
        last = b
    return ids, depth, paths


def _ends(depth: Sequence[int]) -> list[int]:
    """One past each node's last descendant: the next position whose depth is not greater."""
    ends = [len(depth)] * len(depth)
    open_nodes: list[int] = []
    for index, level in enumerate(depth):
        while open_nodes and depth[open_nodes[-1]] >= level:
            ends[open_nodes.pop()] = index
        open_nodes.append(index)
    return ends
