"""Curves over turns against simulated conversations and scipy's own Kaplan-Meier estimate."""

import math
import random

import pytest
from scipy import stats

from gnomon.core.errors import DataError
from gnomon.core.stats import clopper_pearson
from gnomon.limits.horizon import Turn, first_breaches, horizon, survival


def talks(count=200, longest=6, hazard=0.15, seed=0):
    """Conversations that go on after a breach, lose 0.1 gold a turn, and end at a length drawn beforehand."""
    draw = random.Random(seed)
    turns = []
    for c in range(count):
        level = draw.gauss(0.8, 0.1)
        for t in range(1, draw.randint(1, longest) + 1):
            turns.append(
                Turn(
                    conversation=f"c{c}", turn=t, gold=level - 0.1 * (t - 1), divergence=0.05 * t,
                    broken={"n": draw.random() < hazard},
                )
            )  # fmt: skip
    return turns


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_kaplan_meier_agrees_with_scipy(confidence):
    draw = random.Random(3)
    last = [draw.randint(1, 8) for _ in range(60)]
    broke = [draw.random() < 0.5 for _ in last]
    found = survival(last, broke, confidence)
    peer = stats.ecdf(stats.CensoredData.right_censored(last, [not b for b in broke])).sf
    bounds = peer.confidence_interval(confidence, method="log-log")
    for turn, value, low, high in zip(
        peer.quantiles, peer.probabilities, bounds.low.probabilities, bounds.high.probabilities, strict=True
    ):
        ours = found[int(turn) - 1].unbroken
        assert ours.value == pytest.approx(value)
        if 0 < value < 1:
            assert (ours.low, ours.high) == (pytest.approx(low), pytest.approx(high))


def test_without_censoring_survival_is_the_share_and_hazards_multiply():
    last, broke = [1, 1, 2, 3, 3, 3], [True] * 6
    found = survival(last, broke)
    assert [s.unbroken.value for s in found] == pytest.approx([4 / 6, 3 / 6, 0.0])
    assert math.prod(1 - s.hazard.value for s in found[:2]) == pytest.approx(found[1].unbroken.value)
    assert [s.hazard.n for s in found] == [6, 4, 3]
    assert found[2].unbroken.low == 0
    assert 0 < found[2].unbroken.high < found[1].unbroken.high


def test_no_breach_is_no_proof():
    found = survival([3] * 10 + [1] * 10, [False] * 20)
    assert [s.unbroken.value for s in found] == [1.0, 1.0, 1.0]
    assert [s.unbroken.low for s in found] == [clopper_pearson(n, n).low for n in (20, 10, 10)]


def test_the_hazard_is_found_though_conversations_end():
    found = horizon(talks(count=2000, hazard=0.15)).norms["n"]
    inside = [s.hazard.low <= 0.15 <= s.hazard.high for s in found]
    assert sum(inside) >= 5
    # Ending early is not keeping the norm: the share of unbroken conversations would be far above the truth.
    assert found[5].unbroken.low <= 0.85**6 <= found[5].unbroken.high
    last, broke = first_breaches({f"{i}": [t] for i, t in enumerate(talks(count=3, longest=1))}, "n")
    assert (last, len(broke)) == ([1, 1, 1], 3)


def test_coverage_of_the_interval():
    hits = 0
    for seed in range(300):
        step = horizon(talks(count=80, longest=4, seed=seed)).norms["n"][2].unbroken
        hits += step.low <= 0.85**3 <= step.high
    assert stats.binomtest(hits, 300, 0.95).pvalue > 0.001


def test_gold_and_divergence_by_turn():
    found = horizon(talks()).turns
    assert [a.turn for a in found] == list(range(1, 7))
    assert [a.conversations for a in found] == sorted((a.conversations for a in found), reverse=True)
    assert found[0].gold_change is None
    for at in found[1:]:
        assert at.gold_change.value == pytest.approx(-0.1 * (at.turn - 1))
        assert at.divergence.value == pytest.approx(0.05 * at.turn)
        assert at.gold.low < at.gold.value < at.gold.high


def test_conversations_that_end_early_cannot_feign_a_change():
    """The good conversations stop after one turn: the mean falls, no conversation does."""
    turns = [Turn(conversation=f"good{i}", turn=1, gold=1.0) for i in range(20)]
    turns += [Turn(conversation=f"bad{i}", turn=t, gold=0.2) for i in range(20) for t in (1, 2)]
    first, second = horizon(turns).turns
    assert second.gold.value < first.gold.value
    assert second.gold_change.value == 0
    assert horizon(turns).norms == {}


def test_an_unjudged_turn_ends_what_is_known():
    said = [Turn(conversation="c", turn=t, broken={"n": v}) for t, v in ((1, False), (2, None), (3, True))]
    assert first_breaches({"c": said}, "n") == ([1], [False])
    assert first_breaches({"c": said[1:2]}, "n") == ([], [])


@pytest.mark.parametrize("numbers", [(1, 3), (2,), (1, 1)])
def test_gaps_and_doubles_are_refused(numbers):
    with pytest.raises(DataError, match="conversation 'c' has the turns"):
        horizon([Turn(conversation="c", turn=n) for n in numbers])


def test_lengths_must_agree():
    with pytest.raises(DataError, match="one of each"):
        survival([1], [])
    assert horizon([]).turns == ()
