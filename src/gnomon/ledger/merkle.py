"""RFC 9162 Merkle tree: roots that grow with the log, and proofs about them.

It stores nothing on disk, and knows nothing of what a leaf means. Every complete subtree's hash is kept, so that
an append costs O(1) hashes on average and a root or a proof at any size O(log n) or O(log² n).
Source: RFC 9162 section 2.1 (tree head, inclusion proof, consistency proof and their verification).
Shapes: a hash is 32 bytes; a proof is a list of hashes, leaf side first.
Fails: a size or index outside the tree raises DataError; a malformed proof verifies as False.
"""

import hashlib
from collections.abc import Iterable, Sequence

from gnomon.core.errors import DataError

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two children: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(n: int) -> int:
    """The largest power of two smaller than n."""
    return 1 << ((n - 1).bit_length() - 1)


class Tree:
    """An append-only Merkle tree of leaf hashes."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        # levels[h][i] is the hash of the complete subtree over leaves [i·2^h, (i+1)·2^h)
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash, and the hash of each subtree that it completes."""
        height, node = 0, leaf
        while True:
            level = self._levels[height]
            level.append(node)
            if len(level) % 2:
                return
            node = node_hash(level[-2], level[-1])
            height += 1
            if height == len(self._levels):
                self._levels.append([])

    def truncate(self, size: int) -> None:
        """Forget all leaves from `size` on."""
        for height, level in enumerate(self._levels):
            del level[size >> height :]

    def _range(self, start: int, end: int) -> bytes:
        """Hash over leaves [start, end), where start is a multiple of the range's enclosing power of two."""
        size = end - start
        height = size.bit_length() - 1
        if size == 1 << height:
            return self._levels[height][start >> height]
        middle = start + _split(size)
        return node_hash(self._range(start, middle), self._range(middle, end))

    def _check(self, size: int) -> None:
        if not 0 <= size <= len(self):
            raise DataError(f"the log has {len(self)} entries; write a size from 0 to {len(self)}, not {size}")

    def root(self, size: int | None = None) -> bytes:
        """Root over the first `size` leaves (all by default)."""
        size = len(self) if size is None else size
        self._check(size)
        return self._range(0, size) if size else EMPTY

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that leaf `index` stands in the tree of `size` leaves (RFC 9162 section 2.1.3.1)."""
        size = len(self) if size is None else size
        self._check(size)
        if not 0 <= index < size:
            raise DataError(f"a tree of {size} entries has no entry {index}; write an index from 0 to {size - 1}")
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of `old` leaves is a prefix of that of `new` (RFC 9162 section 2.1.4.1)."""
        new = len(self) if new is None else new
        self._check(new)
        if not 0 <= old <= new:
            raise DataError(f"a tree of {new} entries has no prefix of {old}; write a size from 0 to {new}")
        if old in (0, new):
            return []
        path: list[bytes] = []
        start, end, whole = 0, new, True
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start, whole = middle, False
        if not whole:
            path.append(self._range(start, end))
        return path[::-1]


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows the leaf hash at `index` under `root` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == root


def verify_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree under `old_root` is a prefix of that under `new_root`.

    Source: RFC 9162 section 2.1.4.2; the empty tree is a prefix of every tree, with the empty proof.
    """
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY and (new > 0 or new_root == EMPTY)
    if old == new:
        return not proof and old_root == new_root
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not hashes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
