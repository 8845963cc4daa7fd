import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import SettingsError
from gnomon.models.packing import packed_length
from gnomon.training.examples import Example
from gnomon.training.schedule import Offline, learning_rate, plan, rows

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=30)


def examples(sizes):
    return [Example(id=str(i), prompt=(1, 2), completions=((i + 3,) * n, (99,))) for i, n in enumerate(sizes)]


@given(lengths, st.integers(1, 7), st.integers(1, 3))
def test_every_epoch_holds_every_example_once(sizes, batch, epochs):
    steps = plan(examples(sizes), Offline(epochs=epochs, batch=batch))
    per_epoch = -(-len(sizes) // batch)
    assert len(steps) == epochs * per_epoch
    for epoch in range(epochs):
        ids = [e.id for step in steps[epoch * per_epoch : (epoch + 1) * per_epoch] for e in step]
        assert sorted(ids) == sorted(str(i) for i in range(len(sizes)))


def test_order_comes_from_the_seed_and_epochs_differ():
    some = examples(range(1, 41))
    settings = Offline(epochs=2, batch=4)
    assert plan(some, settings) == plan(some, settings)
    assert plan(some, settings) != plan(some, Offline(epochs=2, batch=4, seed=1))
    first, second = plan(some, settings)[:10], plan(some, settings)[10:]
    assert first != second
    assert plan(some, Offline(epochs=2, batch=4, steps=3)) == first[:3]


def test_lengths_are_alike_inside_a_batch():
    some = examples([1, 12] * 32)
    steps = plan(some, Offline(batch=4))
    mixed = sum(len({len(e.completions[0]) for e in step}) > 1 for step in steps)
    assert (len(steps), mixed) <= (16, 2), "one step in each of two windows may straddle the lengths"


@given(lengths, st.integers(1, 60))
def test_rows_keep_order_and_budget(sizes, limit):
    some = examples(sizes)
    cut = rows(some, limit)
    assert [e for row in cut for e in row] == some
    for row in cut:
        tokens = packed_length([e.prompt + c for e in row for c in e.completions])
        assert len(row) == 1 or tokens <= limit


@given(lengths, st.integers(1, 60), st.integers(1, 5))
def test_there_is_a_row_for_every_process(sizes, limit, least):
    some = examples(sizes)
    cut = rows(some, limit, least)
    assert [e for row in cut for e in row] == some
    assert all(cut)
    assert len(cut) >= min(least, len(some))


def test_learning_rate_rises_then_falls():
    settings = Offline(learning_rate=1.0, warmup=0.2)
    rates = [learning_rate(step, 10, settings) for step in range(1, 11)]
    assert rates == pytest.approx([0.5, 1.0, *[k / 8 for k in (8, 7, 6, 5, 4, 3, 2, 1)]])
    flat = Offline(learning_rate=1.0, warmup=0.0, decay="constant")
    assert {learning_rate(step, 10, flat) for step in range(1, 11)} == {1.0}


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"learning_rate": -1.0}, {"warmup": 2.0}, {"steps": 0}, {"every": 0}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Offline(**wrong)
