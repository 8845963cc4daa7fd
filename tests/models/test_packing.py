import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import DataError
from gnomon.models.packing import Packed, pack, packed_length

tokens = st.lists(st.integers(0, 3), min_size=1, max_size=6)
batches = st.lists(st.tuples(tokens, tokens), min_size=1, max_size=6)


def ancestors(packed: Packed, index: int) -> list[int]:
    """What the mask lets a token see, in flat order."""
    return packed.mask_NN[index].nonzero()[:, 0].tolist()


@given(batches)
def test_every_completion_token_sees_exactly_its_own_sequence(batch):
    packed = pack([p for p, _ in batch], [c for _, c in batch])
    k = 0
    for owner, (prompt, completion) in enumerate(batch):
        for i, token in enumerate(completion):
            position = int(packed.predictors_U[packed.row_K[k]])
            seen = packed.ids_N[ancestors(packed, position)].tolist()
            assert seen == (prompt + completion)[: len(prompt) + i]
            assert packed.position_N[ancestors(packed, position)].tolist() == list(range(len(seen)))
            assert (int(packed.target_K[k]), int(packed.owner_K[k])) == (token, owner)
            k += 1
    assert k == len(packed.target_K) == int(packed.count_B.sum())


@given(batches)
def test_the_row_is_the_trie(batch):
    sequences = [(*p, *c) for p, c in batch]
    prefixes = {s[:n] for s in sequences for n in range(1, len(s) + 1)}
    packed = pack([p for p, _ in batch], [c for _, c in batch])
    assert len(packed.ids_N) == len(prefixes) == packed_length(sequences)
    assert {tuple(packed.ids_N[ancestors(packed, i)].tolist()) for i in range(len(packed.ids_N))} == prefixes


@given(batches)
def test_groups_tile_the_row_below_the_trunk_and_do_not_see_each_other(batch):
    packed = pack([p for p, _ in batch], [c for _, c in batch])
    edges = [packed.trunk, *[end for _, end in packed.groups]]
    assert [start for start, _ in packed.groups] == edges[:-1]
    assert edges[-1] == len(packed.ids_N)
    for start, end in packed.groups:
        seen = packed.mask_NN[start:end]
        assert seen[:, : packed.trunk].all()
        assert not seen[:, packed.trunk : start].any()
        assert not seen[:, end:].any()


@given(batches, st.randoms())
def test_order_of_the_batch_does_not_change_the_row(batch, draw):
    other = draw.sample(batch, len(batch))
    one = pack([p for p, _ in batch], [c for _, c in batch])
    two = pack([p for p, _ in other], [c for _, c in other])
    assert one.ids_N.tolist() == two.ids_N.tolist()
    assert one.groups == two.groups


def test_shared_system_prompt_question_and_first_word_stand_once():
    system, question = [1, 2, 3], [4, 5]
    packed = pack([system + question] * 2 + [[*system, 6]], [[7, 8], [7, 9], [7]])
    assert packed.ids_N.tolist() == [1, 2, 3, 4, 5, 7, 8, 9, 6, 7]
    assert packed.trunk == 3
    assert packed.groups == ((3, 8), (8, 10))
    assert packed.predictors_U.tolist() == [4, 5, 8]
    assert packed.row_K.tolist() == [0, 1, 0, 1, 2]


def test_one_sequence_identical_sequences_and_a_prefix_of_another():
    assert pack([[1, 2]], [[3]]).groups == ()
    twice = pack([[1, 2]] * 2, [[3, 4]] * 2)
    assert twice.ids_N.tolist() == [1, 2, 3, 4]
    assert twice.owner_K.tolist() == [0, 0, 1, 1]
    prefix = pack([[1], [1, 2]], [[2, 3], [3, 4]])
    assert prefix.ids_N.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("prompts", "completions", "message"),
    [
        ([[1], [2]], [[1], []], "sequence 1: the completion is empty"),
        ([[1], []], [[1], [2]], "sequence 1: the prompt is empty"),
        ([], [], "nothing to pack"),
        ([[1]], [[1], [2]], "1 prompts but 2 completions"),
    ],
)
def test_what_cannot_be_packed_is_named(prompts, completions, message):
    with pytest.raises(DataError, match=message):
        pack(prompts, completions)
