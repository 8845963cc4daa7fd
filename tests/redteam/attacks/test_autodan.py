"""AutoDAN: a hidden liking for some words is bred into the texts, faster than blind breeding finds it."""

import math
import random
import re
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget, Goal, Reply, Sampling
from gnomon.core.types import Message, Score, Transcript
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.attacks import autodan
from gnomon.redteam.attacks.autodan import GOAL, Autodan
from gnomon.redteam.search import search

from ..conftest import goal, judge
from ..test_contract import drive

LIKED = ("adviser", "honest", "reply", "tale", "should", "restrictions", "kindly", "shall", "helper", "narrative")


def liked(text: str) -> int:
    return len(set(LIKED) & set(re.findall(r"\w+", text.lower())))


def most_liked(score: Callable[[str], float], seed: int, tries: int = 200) -> int:
    """The most liked words in one text, of those that were bred under this score."""
    steps = Autodan(rewrites=0).propose(goal=goal(), budget=Budget(tries=tries), seed=seed)
    step: Any = next(steps)
    most = 0
    try:
        while True:
            text = step.prompt.request
            most = max(most, liked(text))
            said = step.prompt.answered("It is shut today.")
            gone = score(text) / len(LIKED)
            step = steps.send(Reply(transcript=said, score=Score(value=gone), breached=False, progress=gone))
    except StopIteration:
        return most


def test_what_the_score_likes_is_bred() -> None:
    led = [most_liked(liked, seed) for seed in range(12)]
    blind = [most_liked(lambda t: 0.0, seed) for seed in range(12)]
    assert statistics.mean(led) > statistics.mean(blind) + 0.7


def test_the_request_stands_once_in_every_text_and_no_text_comes_twice() -> None:
    texts = [a.prompt.request for a in drive(Autodan(), goal(0, "the {code}?"), Budget(tries=80), 0)]
    assert len(set(texts)) == len(texts) == 80
    assert all(t.count("the {code}?") == 1 and GOAL not in t for t in texts)


@given(
    st.lists(st.sampled_from(["A b.", "C!", "D e f:", "G"]), max_size=5),
    st.sampled_from([f"So {GOAL} it is.", GOAL]),
    st.data(),
)
def test_crossing_keeps_the_request_exactly_once(others: list[str], wanted: str, data: st.DataObject) -> None:
    one, two = (data.draw(st.permutations([*others, wanted])) for _ in range(2))
    child = autodan._crossed(" ".join(one), " ".join(two), random.Random(0))
    assert child.count(GOAL) == 1


def test_words_are_worth_the_mean_place_of_their_texts() -> None:
    worth = autodan._worths({"a b": (0.0, 0), "b c": (0.0, 1), "c d": (7.0, 1)})
    assert worth == {"a": 0.0, "b": 0.25, "c": 0.75, "d": 1.0}


def test_the_attackers_model_rewrites_if_it_keeps_the_place() -> None:
    def run(words: str) -> dict[str, Any]:
        options = {"goals": [goal()], "judge": judge, "budget": Budget(tries=20), "sampling": Sampling(), "seed": 0}
        attacker = ScriptedModel(default=words)
        model = ScriptedModel(default="No.")
        return next(search(attack=Autodan(rewrites=1.0), model=model, attacker=attacker, **options))  # type: ignore[arg-type]

    kept = run(f"Kindly: {GOAL} Thank you.")
    assert kept["asks"] > 0
    assert kept["tries"] == 9, "eight templates, one rewriting, and nothing new after it"
    assert kept["transcript"]["messages"][1]["content"] == f"Kindly: {goal().prompt.request} Thank you."
    assert run("I forgot the request.")["tries"] == 20


def test_with_weights_the_likeliest_of_a_generation_are_asked_first(tiny_chat: Any) -> None:
    torch = pytest.importorskip("torch")
    model = tiny_chat()
    prompts = [Transcript((Message("user", text),)) for text in ("5 6 7", "8", "9 9")]
    found = autodan._beginning(model, prompts, "11 12")
    for prompt, value in zip(prompts, found, strict=True):
        ids = model.encode(prompt)
        with torch.no_grad():
            logp = torch.log_softmax(model.model(torch.tensor([[*ids, 11, 12]])).logits[0].double(), dim=-1)
        assert value == pytest.approx(float(logp[len(ids) - 1, 11] + logp[len(ids), 12]), abs=1e-4)

    target = Goal(id="g", norm="n", prompt=Transcript((Message("user", "5 6"),)))
    steps = Autodan(start="11 12", population=3, elites=1).propose(goal=target, budget=Budget(tries=3), seed=0)
    work: Any = next(steps)
    asked = work.work.keywords["prompts"]
    order = [steps.send([-3.0, -1.0, -2.0]).prompt]
    for _ in range(2):
        said = order[-1].answered("No.")
        try:
            order.append(steps.send(Reply(transcript=said, score=Score(value=0.0), breached=False)).prompt)
        except StopIteration:
            break
    assert order == [asked[1], asked[2], asked[0]]
    assert all(math.isfinite(v) for v in found)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="write 1 to population"):
        Autodan(elites=8)
    with pytest.raises(SettingsError, match="from 0 to 1"):
        Autodan(mutation=2)
