import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from gnomon.core.canonical import digest
from gnomon.core.errors import DataError, StorageError
from gnomon.training.examples import Example
from gnomon.training.schedule import Offline, plan
from gnomon.training.store import Store, write

tokens = st.lists(st.integers(0, 2**32 - 1), max_size=8).map(tuple)
examples = st.builds(
    Example,
    id=st.text(max_size=5),
    prompt=tokens,
    completions=st.lists(tokens, max_size=3).map(tuple),
    label=st.floats(-9, 9),
)


@settings(deadline=None)
@given(st.lists(examples, max_size=12))
def test_what_is_written_is_read(tmp_path_factory, some):
    store = write(iter(some), tmp_path_factory.mktemp("store") / "a.examples")
    assert len(store) == len(some)
    assert list(store) == some == list(Store(store._path))
    assert store[1:5:2] == some[1:5:2]
    if some:
        assert (store[-1], store[len(some) - 1]) == (some[-1], some[-1])
    with pytest.raises(IndexError):
        store[len(some)]


@given(examples)
def test_the_content_is_the_digest_of_canonical_json(example):
    assert example.content == digest([example.prompt, example.completions])


def made(n, length=200):
    draw = random.Random(0)
    for at in range(n):
        reply = tuple(draw.randrange(40_000) for _ in range(draw.randint(1, length)))
        yield Example(id=str(at), prompt=(1, 2, 3), completions=(reply, (4,)), label=at / 2)


def test_the_plan_of_a_file_is_the_plan_of_a_list(tmp_path):
    some = list(made(100, 30))
    store = write(some, tmp_path / "a.examples")
    planned = Offline(batch=4, epochs=2)
    assert list(plan(store, planned)) == list(plan(some, planned))


def test_memory_does_not_hold_the_examples(tmp_path):
    """20 steps of a plan over 1,000 examples of 100 tokens: a twentieth of what the list holds."""
    held = []
    for source in (lambda: list(made(1000)), lambda: write(made(1000), tmp_path / "a.examples")):
        tracemalloc.start()
        some = source()
        steps = plan(some, Offline(batch=8))
        for at in range(20):
            assert len(steps[at]) == 8
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        del some, steps
    assert held[1] < held[0] / 20, held


def test_half_a_file_and_another_file_are_refused(tmp_path):
    path = tmp_path / "a.examples"
    whole = bytes(write(made(20), path)._bytes)
    for wrong in (b"", b"x", whole[:-1], whole[:100], whole[1:], b"x" * 100):
        (tmp_path / "b").write_bytes(wrong)
        with pytest.raises(DataError, match="b is no whole file of examples; delete it"):
            Store(tmp_path / "b")
    (tmp_path / "c").write_bytes(b"\xc1" * 50 + whole[50:])
    with pytest.raises(DataError, match="example 0 is damaged"):
        Store(tmp_path / "c")[0]
    with pytest.raises(StorageError):
        Store(tmp_path / "none")


def test_a_broken_source_leaves_no_file(tmp_path):
    def broken():
        yield from made(3)
        raise DataError("row 4")

    with pytest.raises(DataError, match="row 4"):
        write(broken(), tmp_path / "a.examples")
    assert list(tmp_path.iterdir()) == []
