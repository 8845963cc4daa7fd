"""Names of answers, and the mapping over them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gnomon.core.canonical import from_builtins
from gnomon.core.errors import DataError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, ToolCall, Transcript
from gnomon.evaluation import asked as naming
from gnomon.evaluation.asked import Asked
from gnomon.evaluation.items import Answer, Item
from gnomon.executor.answers import Store

ORIGIN = naming.origin({"name": "m"}, Sampling())
ITEM = Item(id="a", cluster="c", prompt=Transcript((Message("user", "hi"),), {"answer": "yes"}), samples=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def said(text: str) -> dict[str, object]:
    return {"reply": Message("assistant", text)}


def test_a_name_depends_on_what_is_asked_and_on_nothing_else() -> None:
    name = naming.base(ORIGIN, ITEM)
    same = replace(ITEM, id="b", cluster="d", samples=5, expect={"x": 1}, prompt=Transcript(ITEM.prompt.messages))
    assert naming.base(ORIGIN, same) == name
    others = [
        naming.base(naming.origin({"name": "n"}, Sampling()), ITEM),
        naming.base(naming.origin({"name": "m"}, Sampling(seed=1)), ITEM),
        naming.base(naming.origin({"name": "m"}, Sampling(temperature=0.5)), ITEM),
        naming.base(ORIGIN, replace(ITEM, choices=("x", "y"))),
        naming.base(ORIGIN, replace(ITEM, prompt=Transcript((Message("system", "hi"),)))),
    ]
    assert len({name, *others}) == 6
    assert naming.key(name, 0) != naming.key(name, 1)


def test_a_name_does_not_depend_on_how_a_noun_came_to_be(store: Store) -> None:
    read = replace(ITEM, prompt=from_builtins({"messages": [{"role": "user", "content": "hi"}]}, Transcript))
    made = replace(ITEM, prompt=Transcript((Message("user", "hi"),)))
    assert naming.base(ORIGIN, read) == naming.base(ORIGIN, made)
    assert naming.items_digest([read]) == naming.items_digest([made])
    answers = [Answer(item="a", replies=(i.prompt,)) for i in (read, made)]
    assert naming.line(answers[0]) == naming.line(answers[1])
    asked = Asked(store)
    assert asked.add(read, b"")
    assert not asked.add(made, b"")


def test_a_line_is_the_answer(store: Store) -> None:
    call = ToolCall(name="f", arguments={"x": 1}, sources={"x": (0,)}, id="c")
    reply = Transcript((Message("user", "hi"), Message("assistant", "ü", (call,))), {"answer": "yes"})
    for answer in (
        Answer(item="a", replies=(reply, reply)),
        Answer(item="b", logprobs=(-1.0,), tokens=(2,), error="e"),
    ):
        assert from_builtins(msgspec.json.decode(naming.line(answer)), Answer) == answer


def test_replies_carry_the_items_own_expectation(store: Store) -> None:
    asked = Asked(store)
    base = naming.base(ORIGIN, ITEM)
    asked.add(ITEM, base)
    for sample, text in enumerate(("one", "two")):
        store.add(naming.key(base, sample), said(text))
    answer = asked["a"]
    assert [t.reply for t in answer.replies] == ["one", "two"]
    assert {t.expect["answer"] for t in answer.replies} == {"yes"}
    assert not answer.error


def test_a_sample_that_is_missing_is_an_error_and_the_others_stay(store: Store) -> None:
    asked = Asked(store)
    base = naming.base(ORIGIN, ITEM)
    asked.add(ITEM, base)
    store.add(naming.key(base, 1), said("two"))
    asked.failed(naming.key(base, 0), "status 500")
    assert asked["a"].error == "1 of 2 samples: status 500"
    assert [t.reply for t in asked["a"].replies] == ["two"]


def test_choices_come_back_as_numbers(store: Store) -> None:
    item = replace(ITEM, choices=("x", "y"))
    asked = Asked(store)
    base = naming.base(ORIGIN, item)
    asked.add(item, base)
    store.add(naming.key(base, 0), {"logprobs": (-1.0, -2.5), "tokens": (1, 2)})
    assert asked["a"] == Answer(item="a", logprobs=(-1.0, -2.5), tokens=(1, 2))


def test_it_is_a_mapping_in_the_order_of_the_items(store: Store) -> None:
    asked = Asked(store)
    for name in ("z", "a", "m"):
        item = replace(ITEM, id=name)
        assert asked.add(item, naming.base(ORIGIN, item))
        assert not asked.add(item, naming.base(ORIGIN, item)), "a duplicate counts once"
    assert (list(asked), len(asked)) == (["z", "a", "m"], 3)
    assert [a.item for a in asked.answers()] == ["z", "a", "m"]
    assert "q" not in asked
    with pytest.raises(KeyError):
        asked["q"]


def test_two_items_with_one_id_are_refused(store: Store) -> None:
    asked = Asked(store)
    asked.add(ITEM, naming.base(ORIGIN, ITEM))
    other = replace(ITEM, prompt=Transcript((Message("user", "ho"),)))
    with pytest.raises(DataError, match="id 'a'"):
        asked.add(other, naming.base(ORIGIN, other))


def test_two_runs_in_one_store_keep_apart(store: Store) -> None:
    one, two = Asked(store), Asked(store)
    one.add(ITEM, naming.base(ORIGIN, ITEM))
    assert (len(one), len(two), list(two)) == (1, 0, [])
    assert one.digest() != two.digest()
