"""Scores of choices over each length, the likeliest, and probabilities far below what floats hold."""

import math

import pytest

from gnomon.evaluation.items import Answer, Item, plain
from gnomon.evaluation.suites._choices import answered, likeliest, probability, scores, share_of_best

ITEM = Item(id="i", cluster="c", prompt=plain("x"), choices=(" ab", " Straße", " d"))


def test_scores_over_each_length() -> None:
    answers = {"i": Answer(item="i", logprobs=(-2.0, -7.0, -1.0), tokens=(1, 2, 4))}
    assert scores(ITEM, answers, "sum") == (-2.0, -7.0, -1.0)
    assert scores(ITEM, answers, "token") == (-2.0, -3.5, -0.25)
    assert scores(ITEM, answers, "byte") == (-1.0, -1.0, -1.0), "bytes of the text without the blank: 2, 7, 1"


def test_an_answer_that_is_not_whole_is_missing() -> None:
    for answer in (
        Answer(item="i", error="no"),
        Answer(item="i", error="late", logprobs=(-1.0, -1.0, -1.0), tokens=(1, 1, 1)),
        Answer(item="i", logprobs=(-1.0, -2.0)),
    ):
        assert scores(ITEM, {"i": answer}, "sum") is None
    assert scores(ITEM, {}, "sum") is None
    assert scores(ITEM, {"i": Answer(item="i", logprobs=(-1.0, -1.0, -1.0))}, "token") is None


def test_choices_that_score_alike_share() -> None:
    assert [share_of_best((-1.0, -1.0, -3.0), i) for i in range(3)] == [0.5, 0.5, 0.0]
    assert share_of_best(scores(ITEM, {"i": answered(ITEM, [1])}, "sum"), 1) == 1.0
    assert share_of_best(None, 0) is None


def test_the_likeliest_choice_and_the_first_of_equals() -> None:
    assert likeliest(ITEM, {"i": answered(ITEM, [1])}) == 1
    assert likeliest(ITEM, {"i": answered(ITEM, [2, 1])}) == 1
    assert likeliest(ITEM, {}) is None
    assert likeliest(ITEM, {"i": Answer(item="i", error="late")}) is None
    answers = {"i": Answer(item="i", logprobs=(-2.0, -7.0, -1.0), tokens=(4, 70, 1))}
    assert likeliest(ITEM, answers) == 2
    assert likeliest(ITEM, answers, "token") == 1


def test_choices_are_compared_where_their_probabilities_underflow() -> None:
    answers = {"i": Answer(item="i", logprobs=(-2000.0, -2000.0 + math.log(3), -9000.0), tokens=(1, 1, 1))}
    assert likeliest(ITEM, answers) == 1
    assert probability(ITEM, answers, 0) == pytest.approx(0.25)
    assert probability(ITEM, {}, 0) is None
