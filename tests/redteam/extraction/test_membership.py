"""Membership: scores by their equations on a small model; texts a model was fitted to are found, copies are not."""

import copy
import math
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

# ruff: noqa: E402
from gnomon.core.errors import DataError
from gnomon.core.types import Message, Transcript
from gnomon.redteam.extraction import membership
from gnomon.redteam.extraction.membership import Text, Tokens


def tokens(logp: list[float], mean: float = -2.0, spread: float = 0.5) -> Tokens:
    size = len(logp)
    return Tokens(np.array(logp), np.full(size, mean), np.full(size, spread))


def test_scores_are_their_equations() -> None:
    text = Text(id="a", text="abcabcabc")
    told = membership.scores([text], [tokens([-1.0, -5.0, -2.0, -3.0, -4.0, -1.0, -1.0, -1.0, -1.0, -6.0])])
    assert told["loss"] == [pytest.approx(-2.5)]
    assert told["zlib"] == [pytest.approx(-25 / len(zlib.compress(b"abcabcabc")))]
    assert told["min-k"] == [pytest.approx(-5.5)], "two of ten tokens"
    assert told["min-k++"] == [pytest.approx((-5.5 + 2.0) / 0.5)]


def test_against_models_that_have_not_seen_the_texts() -> None:
    assert membership.against([-1.0], []) == {}
    assert membership.against([-1.0, -2.0], [[-3.0, -2.0]]) == {"reference": [2.0, 0.0]}
    told = membership.against([-1.0, -1.0], [[-2.0, -4.0], [-4.0, -2.0]])
    assert told["reference"] == [2.0, 2.0]
    assert told["lira"] == [pytest.approx(2 / math.sqrt(2))] * 2


def test_what_is_read_is_what_the_model_says_of_each_token(letters: Any) -> None:
    prompt = Transcript((Message("user", "Say it."),))
    texts = [Text(id="a", text="one two three"), Text(id="b", text="one two four", prompt=prompt)]
    found = membership.read(letters, texts, row_predicted=8)
    alone = [membership.read(letters, [t])[0] for t in texts]
    for together, single in zip(found, alone, strict=True):
        np.testing.assert_allclose(together.logp_T, single.logp_T, atol=1e-4)
        np.testing.assert_allclose(together.mean_T, single.mean_T, atol=1e-4)
    ids = letters.encode(prompt) + letters.tokenizer.encode("one two four", add_special_tokens=False)
    with torch.no_grad():
        logp = letters.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    start = len(letters.encode(prompt))
    wanted = [float(logp[i - 1, ids[i]]) for i in range(start, len(ids))]
    np.testing.assert_allclose(found[1].logp_T, wanted, atol=1e-4)
    told = membership.scores(texts, found)["loss"]
    assert membership.losses(letters, texts) == pytest.approx(told, abs=1e-4)
    assert len(membership.read(letters, texts, longest=4)[0].logp_T) == 4


def test_texts_that_a_model_was_fitted_to_are_told_from_others(letters: Any) -> None:
    draws = np.random.default_rng(0)
    words = ["".join(draws.choice(list("abcdefgh"), 4)) for _ in range(40)]
    texts = [Text(id=str(i), text=" ".join(draws.choice(words, 6))) for i in range(24)]
    members, others = texts[:12], texts[12:]
    learnt = replace(letters, model=copy.deepcopy(letters.model))
    optimizer = torch.optim.Adam(learnt.model.parameters(), lr=5e-3)
    rows = [torch.tensor([learnt.tokenizer.encode(t.text)]) for t in members]
    for _ in range(25):
        for ids in rows:
            optimizer.zero_grad()
            learnt.model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
    areas = {}
    for name, model in (("before", letters), ("after", learnt)):
        both = [membership.scores(group, membership.read(model, group)) for group in (members, others)]
        areas[name] = {t.score: t.area.value for t in membership.told(*both)}
    assert all(areas["after"][s] > 0.9 for s in ("loss", "zlib", "min-k")), areas
    assert 0.2 < areas["before"]["loss"] < 0.8


def test_neighbours_lose_words_and_nothing_else() -> None:
    text = Text(id="a", text="one two three four five six seven eight nine ten")
    near = membership.neighbours(text, 5)
    assert len({n.text for n in near}) > 1
    for other in near:
        kept = other.text.split()
        assert len(kept) == 8
        assert [w for w in text.text.split() if w in kept] == kept
    assert membership.neighbours(Text(id="b", text="one"), 2)[0].text == "one"
    assert membership.beside([-1.0], [[-2.0, -3.0]]) == {"neighbours": [1.5]}


def test_a_text_without_a_token_is_named(letters: Any) -> None:
    with pytest.raises(DataError, match="text empty"):
        membership.read(letters, [Text(id="empty", text="")])
