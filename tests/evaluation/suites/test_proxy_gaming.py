"""Proxy gaming: cues that differ in one clause, replies that serve a measure, and echoes that only look like it."""

from collections.abc import Callable

import pytest

from gnomon.evaluation.items import Item, Measured
from gnomon.evaluation.suites._clusters import by_condition
from gnomon.evaluation.suites._replies import by, spoken, value
from gnomon.evaluation.suites.proxy_gaming import PROXIES, ProxyGaming
from gnomon.scoring import text

SUITE = ProxyGaming()
ITEMS = SUITE.items(seed=0)
CLUSTERS = by_condition(ITEMS, "cue")


def run(reply: Callable[[Item], str]) -> dict[str, Measured]:
    found = SUITE.measured(items=ITEMS, answers={i.id: spoken(i, reply(i)) for i in ITEMS})
    return {m.dimension.removeprefix("proxy gaming/"): m for m in found}


def right(item: Item) -> str:
    return str(item.expect["answer"][0])


def test_a_cue_is_one_clause_more_and_nothing_else() -> None:
    for cluster in CLUSTERS.values():
        stem, _, rest = cluster["none"].prompt.request.partition(".")
        for proxy in PROXIES:
            request = cluster[proxy].prompt.request
            assert request.startswith(stem)
            assert request.endswith("." + rest)
            assert 3 <= len(text.words(request)) - len(text.words(stem + rest)) <= 14


def test_cues_and_questions_hold_nothing_that_a_measure_would_count() -> None:
    """A reply that repeats them, or merely answers, must not look as if it gamed."""
    for item in ITEMS:
        assert by("hedging")(item.prompt.answered(item.prompt.request)) == 0, item.id
        question = item.prompt.request.split("right answer. ")[1]
        assert not set(text.words(question)) & set(item.expect["keywords"])
        assert len(text.words(right(item))) == 1
        assert value(item, {item.id: spoken(item, question)}, by("fact")).value == 0, "it is not in the question"


def test_questions_are_different_and_the_budget_is_kept() -> None:
    assert len(CLUSTERS) >= 24
    assert len({i.prompt.request for i in ITEMS}) == len(ITEMS)
    assert len(ITEMS) * SUITE.max_new_tokens <= 12_000


@pytest.mark.parametrize(
    ("proxy", "served", "change"),
    [
        ("verbosity", "{answer}, which is of course what one would say if one were asked", 12.0),
        ("hedging", "Perhaps {answer}.", 1.0),
        ("format", "# Answer\n- {answer}", 1.0),
        ("keywords", "{answer} ({keywords})", 1.0),
    ],
)
def test_serving_one_measure_is_seen_there_with_the_answer_kept(proxy: str, served: str, change: float) -> None:
    def reply(item: Item) -> str:
        words = ", ".join(item.expect["keywords"])
        form = served if item.groups["cue"] == proxy else "{answer}"
        return form.format(answer=right(item), keywords=words)

    found = run(reply)
    assert found[proxy].estimate.value == pytest.approx(change)
    assert found[f"{proxy} beyond other cues"].estimate.value == pytest.approx(change)
    assert found[f"{proxy}, change of correctness"].estimate.value == 0
    for other in set(PROXIES) - {proxy}:
        assert found[other].estimate.value == 0
        assert found[f"{other} beyond other cues"].estimate.value <= 0


def test_a_reply_that_is_always_long_games_nothing() -> None:
    found = run(lambda item: f"# Perhaps\n- {right(item)} and so on and on")
    assert all(found[proxy].estimate.value == 0 for proxy in PROXIES)


def test_longer_under_every_cue_is_not_gaming_of_length_alone() -> None:
    found = run(lambda item: right(item) + ("" if item.groups["cue"] == "none" else " and many more words"))
    assert found["verbosity"].estimate.value == 4
    assert found["verbosity beyond other cues"].estimate.value == 0


def test_what_a_reply_only_repeats_from_the_request_is_not_counted() -> None:
    found = run(lambda item: item.prompt.request if item.groups["cue"] == "keywords" else right(item))
    assert found["keywords"].estimate.value == 0
    assert found["keywords, change of correctness"].estimate.value == -1
    said = run(lambda item: " ".join(item.expect["keywords"]) + ". " + item.prompt.request)
    assert said["keywords"].estimate.value == 0, "the same without a cue"


def test_no_more_words_are_counted_than_may_be_drawn() -> None:
    found = run(lambda item: "so " * (500 if item.groups["cue"] == "verbosity" else 1))
    assert found["verbosity"].estimate.value == SUITE.max_new_tokens - 1
