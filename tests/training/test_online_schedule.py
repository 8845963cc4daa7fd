import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core import settings
from gnomon.core.errors import SettingsError
from gnomon.training import online_schedule
from gnomon.training.online_schedule import Online


def test_settings_are_made_from_plain_values_nested_ones_too():
    made = settings.make(Online, {"steps": 3, "norms": "lagrangian", "lagrangian": {"limit": 0.1}}, name="online")
    assert (made.steps, made.lagrangian.limit) == (3, 0.1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"group": 0}, "group must be at least 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"gamma": 1.5}, "gamma must be from 0 to 1"),
        ({"kl": -1.0}, "kl must not be negative"),
        ({"prompts": 1, "group": 2, "staleness": 3}, "1 x 2 rollouts cannot be cut into 3"),
        ({"overlong": 65}, "overlong .* at most max_new_tokens"),
        ({"kl_target": 6.0}, "kl_target"),
    ],
)
def test_wrong_settings_say_which(wrong, words):
    with pytest.raises(SettingsError, match=words):
        Online(**wrong)


def chosen(count, wanted, rounds, suspended=()):
    cursor, seen = 0, []
    for _ in range(rounds):
        got, cursor = online_schedule.choose(
            count, wanted, cursor=cursor, seed=0, suspended=dict.fromkeys(suspended, "norm")
        )
        seen.append(got)
    return seen


@given(count=st.integers(1, 12), wanted=st.integers(1, 15))
def test_batches_never_hold_a_prompt_twice_and_epochs_hold_every_one(count, wanted):
    seen = chosen(count, wanted, 2 * count)
    assert all(len(set(batch)) == len(batch) == min(wanted, count) for batch in seen)
    counts = [sum(batch.count(i) for batch in seen) for i in range(count)]
    assert max(counts) - min(counts) <= min(wanted, count)


def test_suspended_prompts_are_passed_over():
    assert {i for batch in chosen(5, 2, 20, suspended=(1, 3)) for i in batch} == {0, 2, 4}
    assert chosen(2, 2, 1, suspended=(0, 1)) == [[]]


@given(items=st.lists(st.integers()), parts=st.integers(1, 9))
def test_cutting_keeps_order_and_differs_by_one_at_most(items, parts):
    made = online_schedule.cut(items, parts)
    assert [i for part in made for i in part] == items
    assert len(made) == min(parts, len(items))
    assert max(map(len, made), default=0) - min(map(len, made), default=0) <= 1


def test_overlong_penalty_is_the_papers_line():
    points = [online_schedule.overlong(n, limit=100, soft=20) for n in (1, 80, 81, 90, 100)]
    assert points == pytest.approx([0, 0, -0.05, -0.5, -1])


def test_the_adaptive_penalty_moves_two_percent_at_most_and_holds_at_its_target():
    assert online_schedule.adapted(0.1, measured=60.0, target=6.0) == pytest.approx(0.102)
    assert online_schedule.adapted(0.1, measured=0.0, target=6.0) == pytest.approx(0.098)
    assert online_schedule.adapted(0.1, measured=6.0, target=6.0) == 0.1
    assert online_schedule.adapted(0.1, measured=9.0, target=None) == 0.1
