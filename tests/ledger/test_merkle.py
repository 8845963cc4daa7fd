"""Vectors: transparency-dev/merkle testonly constants (the reference tree of RFC 6962), used as data."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import DataError
from gnomon.ledger.merkle import EMPTY, Tree, leaf_hash, node_hash, verify_consistency, verify_inclusion

LEAVES = [
    bytes.fromhex(h)
    for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (index, size, proof) and (old, new, proof)
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, INCLUSION[1][2]),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        7,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]


def plain_root(entries: list[bytes]) -> bytes:
    """MTH as RFC 9162 section 2.1.1 writes it."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(entries[:k]) + plain_root(entries[k:])).digest()


def plain_path(m: int, entries: list[bytes]) -> list[bytes]:
    """PATH as RFC 9162 section 2.1.3.1 writes it."""
    if len(entries) == 1:
        return []
    k = 1
    while 2 * k < len(entries):
        k *= 2
    if m < k:
        return [*plain_path(m, entries[:k]), plain_root(entries[k:])]
    return [*plain_path(m - k, entries[k:]), plain_root(entries[:k])]


def plain_subproof(m: int, entries: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF as RFC 9162 section 2.1.4.1 writes it."""
    if m == len(entries):
        return [] if whole else [plain_root(entries)]
    k = 1
    while 2 * k < len(entries):
        k *= 2
    if m <= k:
        return [*plain_subproof(m, entries[:k], whole), plain_root(entries[k:])]
    return [*plain_subproof(m - k, entries[k:], False), plain_root(entries[:k])]


def tree(entries: list[bytes]) -> Tree:
    return Tree(leaf_hash(e) for e in entries)


def entries(n: int) -> list[bytes]:
    return [bytes([i]) * (i % 5) + bytes([i]) for i in range(n)]


def test_published_roots():
    for size, root in enumerate(ROOTS):
        assert tree(LEAVES[:size]).root().hex() == root
        assert tree(LEAVES).root(size).hex() == root


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_published_inclusion_proofs(index, size, proof):
    hashes = [bytes.fromhex(h) for h in proof]
    assert tree(LEAVES).inclusion(index, size) == hashes
    root = bytes.fromhex(ROOTS[size])
    assert verify_inclusion(leaf=leaf_hash(LEAVES[index]), index=index, size=size, proof=hashes, root=root)


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_published_consistency_proofs(old, new, proof):
    hashes = [bytes.fromhex(h) for h in proof]
    assert tree(LEAVES).consistency(old, new) == hashes
    roots = {"old_root": bytes.fromhex(ROOTS[old]), "new_root": bytes.fromhex(ROOTS[new])}
    assert verify_consistency(old=old, new=new, proof=hashes, **roots)


def test_every_small_tree_equals_the_plain_definition():
    data = entries(33)
    grown = Tree()
    for size in range(34):
        root = plain_root(data[:size])
        assert grown.root() == root
        for index in range(size):
            proof = grown.inclusion(index)
            assert proof == plain_path(index, data[:size])
            assert verify_inclusion(leaf=leaf_hash(data[index]), index=index, size=size, proof=proof, root=root)
        for old in range(size + 1):
            proof = grown.consistency(old)
            assert proof == (plain_subproof(old, data[:size], True) if old else [])
            roots = {"old_root": plain_root(data[:old]), "new_root": root}
            assert verify_consistency(old=old, new=size, proof=proof, **roots)
        if size < 33:
            grown.append(leaf_hash(data[size]))


def test_an_append_costs_at_most_logarithmic_hashing(monkeypatch):
    from gnomon.ledger import merkle

    calls = 0

    def counted(left: bytes, right: bytes) -> bytes:
        nonlocal calls
        calls += 1
        return node_hash(left, right)

    monkeypatch.setattr(merkle, "node_hash", counted)
    grown = Tree()
    for i in range(1024):
        before = calls
        grown.append(leaf_hash(bytes([i % 256])))
        grown.root()
        assert calls - before <= 2 * 11
    assert calls < 1024 * 11


@given(st.integers(1, 70), st.data())
def test_no_other_proof_verifies(size, data):
    grown = tree(entries(size))
    index = data.draw(st.integers(0, size - 1))
    leaf, root, proof = leaf_hash(entries(size)[index]), grown.root(), grown.inclusion(index)
    good = {"leaf": leaf, "index": index, "size": size, "proof": proof, "root": root}
    assert verify_inclusion(**good)
    zero = b"\0" * 32
    wrong = [
        {"index": index - 1},
        {"index": index + 1},
        {"leaf": zero},
        {"root": zero},
        {"root": EMPTY},
        {"proof": [*proof, zero]},
        {"proof": [zero, *proof]},
        {"proof": [*proof, root]},
    ] + [{"proof": [*proof[:i], zero, *proof[i + 1 :]]} for i in range(len(proof))]
    if proof:
        wrong += [{"proof": proof[:-1]}, {"proof": []}, {"size": size * 2}]
    for change in wrong:
        assert not verify_inclusion(**{**good, **change}), change


@given(st.integers(2, 70), st.data())
def test_no_other_consistency_verifies(new, data):
    old = data.draw(st.integers(1, new - 1))
    grown = tree(entries(new))
    proof, zero = grown.consistency(old), b"\0" * 32
    good = {"old": old, "new": new, "old_root": grown.root(old), "new_root": grown.root(), "proof": proof}
    assert verify_consistency(**good)
    wrong = [
        {"old_root": zero},
        {"new_root": zero},
        {"old_root": good["new_root"], "new_root": good["old_root"]},
        {"old": new, "new": old},
        {"proof": []},
        {"proof": [*proof, zero]},
        {"proof": [zero, *proof]},
        {"proof": proof[:-1]},
    ] + [{"proof": [*proof[:i], zero, *proof[i + 1 :]]} for i in range(len(proof))]
    for change in wrong:
        assert not verify_consistency(**{**good, **change}), change


@given(st.integers(0, 70), st.integers(0, 70))
def test_truncating_gives_the_smaller_tree(size, cut):
    grown = tree(entries(size))
    cut = min(cut, size)
    grown.truncate(cut)
    for leaf in entries(size)[cut:]:
        assert len(grown) >= cut
        grown.append(leaf_hash(leaf))
    assert grown.root() == plain_root(entries(size))
    grown.truncate(cut)
    assert grown.root() == plain_root(entries(cut))


def test_the_empty_tree_is_a_prefix_of_all():
    assert verify_consistency(old=0, new=3, old_root=EMPTY, new_root=b"x" * 32, proof=[])
    assert not verify_consistency(old=0, new=3, old_root=b"y" * 32, new_root=b"x" * 32, proof=[])
    assert verify_consistency(old=0, new=0, old_root=EMPTY, new_root=EMPTY, proof=[])


def test_sizes_outside_the_tree_are_errors():
    grown = tree(entries(3))
    for call in (lambda: grown.root(4), lambda: grown.inclusion(3), lambda: grown.inclusion(0, 9)):
        with pytest.raises(DataError, match="write"):
            call()
    with pytest.raises(DataError, match="write a size"):
        grown.consistency(4)
