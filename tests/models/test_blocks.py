import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gnomon.models import blocks  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402

tokens = st.lists(st.integers(0, 2), min_size=1, max_size=9)
rows = st.lists(st.tuples(tokens, tokens), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(rows=rows, product=st.sampled_from([0, 20, 4096]), run=st.sampled_from([1, 3, 128]))
def test_every_query_stands_once_and_sees_what_the_tree_mask_says(rows, product, run):
    packed = pack([p for p, _ in rows], [c for _, c in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PRODUCT", product)
        patch.setattr(blocks, "RUN", run)
        found = blocks.batches(packed)
    seen_NN = torch.zeros(len(packed.ids_N), len(packed.ids_N), dtype=torch.int)
    for batch in found:
        for query_L, key_S, real_L, seen_LS in zip(
            batch.query_ML, batch.key_MS, batch.real_ML, batch.seen_MLS, strict=True
        ):
            for query, real, seen_S in zip(query_L.tolist(), real_L.tolist(), seen_LS, strict=True):
                assert seen_S.any()
                if real:
                    seen_NN[query].index_add_(0, key_S[seen_S], torch.ones(int(seen_S.sum()), dtype=torch.int))
    assert torch.equal(seen_NN, packed.mask_NN.int())


def test_pairs_under_long_prompts_are_not_padded_to_the_longest():
    prompts = [[0] * 20 + [i + 1] * 60 for i in range(4)]
    packed = pack([p for p in prompts for _ in range(2)], [[n] * (40 + 20 * n) for n in range(8)])
    computed = sum(batch.seen_MLS.numel() for batch in blocks.batches(packed))
    padded = len(packed.groups) * max(b - a for a, b in packed.groups) * packed.position_N.max()
    assert computed < 0.55 * padded
    assert computed < 2.5 * packed.mask_NN.sum()


def test_many_short_subtrees_are_few_products():
    packed = pack([[0] * 20 + [i + 1] * 5 for i in range(16)], [[7] * 5] * 16)
    assert len(blocks.batches(packed)) <= 2


def test_a_long_run_is_cut():
    assert [block.shape for block in blocks.cut(pack([[1] * 300], [[2]]))] == [(128, 128), (128, 256), (45, 301)]
