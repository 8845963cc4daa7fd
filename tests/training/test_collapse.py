import math

import pytest

from gnomon.core.errors import SettingsError, TrainingError
from gnomon.training import collapse
from gnomon.training.checkpoint import Checkpoint
from gnomon.training.collapse import Limits

HEALTHY = {
    "loss": 0.1,
    "gradient_norm": 1.0,
    "reward": 0.5,
    "entropy": 2.0,
    "length": 40.0,
    "cut": 0.1,
    "kl": 1.0,
    "equal_groups": 0.0,
}
SAVED = [Checkpoint(step=s, weights="", folder=f"step-{s:06d}") for s in (5, 12, 19)]


def walk(change, steps=40, limits=None, start=HEALTHY):
    """Rows that are healthy for 12 steps and then as `change` says; the step and the text of the stop, or None."""
    log = []
    for step in range(1, steps + 1):
        row = {"step": step, **start, **(change(step) if step > 12 else {})}
        try:
            saved = [c for c in SAVED if c.step < step]
            collapse.check(row, log, limits=limits or Limits(), learning_rate=0.25, checkpoints=saved)
        except TrainingError as error:
            return step, str(error)
        log.append(row)
    return None


def test_a_healthy_run_goes_on():
    assert walk(lambda s: {"entropy": 2.0 - 0.02 * s, "length": 40 + s, "gradient_norm": 1 + s % 7, "kl": s}) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gradient_norm": 1e4}, "longer than 1e+04, where 1 was usual"),
        ({"entropy": 0.01}, "entropy went from 2 to 0.01 nats a token"),
        ({"entropy": 7.0}, "entropy went from 2 to 7"),
        ({"length": 2.0}, "went from 40 to 2 tokens"),
        ({"cut": 1.0}, "reach the limit went from 10% to 100%"),
        ({"kl": 200.0}, "5 nats a token apart"),
        ({"equal_groups": 1.0}, "for 10 steps all rollouts of each prompt have earned the same (lately 0.5)"),
    ],
)
def test_each_symptom_is_seen_explained_and_sent_back_to_a_checkpoint_before_it(change, words):
    step, text = walk(lambda _: change)
    assert 13 <= step <= 25
    assert words in text
    assert "Likely cause: " in text
    assert "the last good checkpoint is step-000012" in text, "the one before it began, not the newest"
    assert walk(lambda _: change, limits=Limits(off=("gradient", "entropy", "length", "kl", "flat"))) is None


def test_a_gradient_of_zero_counts_only_where_rewards_differ():
    step, text = walk(lambda _: {"gradient_norm": 1e-9})
    assert step == 22
    assert "the last 10 gradients are 0, though there is something to learn" in text
    assert walk(lambda _: {"gradient_norm": 0.0, "equal_groups": 0.5}, steps=31) is None
    assert walk(lambda _: {"gradient_norm": 0.0, "equal_groups": 0.5}, steps=40)[0] == 32
    assert walk(lambda s: {"gradient_norm": float(s % 9 == 0)}) is None


def test_offline_a_gradient_of_zero_is_fine_once_the_loss_is_gone():
    step, _ = walk(lambda _: {"gradient_norm": 0.0}, start={"loss": 0.5, "gradient_norm": 1.0})
    assert step == 22
    assert walk(lambda _: {"gradient_norm": 0.0, "loss": 1e-5}, start={"loss": 0.5, "gradient_norm": 1.0}) is None


def test_one_outlier_stops_nothing():
    assert walk(lambda s: {"gradient_norm": 1e6, "entropy": 0.0, "kl": 500.0} if s == 20 else {}) is None


def test_the_slow_kind_is_seen_too():
    step, text = walk(lambda s: {"entropy": 2.0 * 0.8 ** (s - 12)}, steps=60)
    assert 24 < step < 34
    assert "Raise kl" in text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number_stops_at_once_whatever_is_off(value):
    limits = Limits(off=("loss", "gradient", "entropy", "length", "kl", "flat"))
    step, text = walk(lambda _: {"loss": value}, limits=limits)
    assert step == 13
    assert f"loss is {value}" in text
    assert "lower learning_rate (now 0.25)" in text


def test_a_runaway_loss_counts_offline_only():
    offline = {"loss": 0.5, "gradient_norm": 1.0}
    step, text = walk(lambda _: {"loss": 11.0}, start=offline)
    assert step == 13
    assert "grown from 0.5 to 11" in text
    assert walk(lambda _: {"loss": 11.0}) is None


def test_an_early_stop_says_that_there_is_no_checkpoint():
    with pytest.raises(TrainingError, match=r"step 1: loss is nan.*no checkpoint yet"):
        collapse.check({"step": 1, "loss": math.nan}, [], limits=Limits(), learning_rate=1.0, checkpoints=[])


def test_wrong_limits():
    with pytest.raises(SettingsError, match="no symptom 'size'"):
        Limits(off=("size",))
    with pytest.raises(SettingsError, match="at least 1"):
        Limits(recent=0)
