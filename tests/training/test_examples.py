import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import DataError
from gnomon.training.examples import demonstration_examples, labelled_examples, preference_examples


class Letters:
    """An encoder with one token a letter, whose end token is 0."""

    eos_token_id = 0

    @property
    def tokenizer(self):
        return self

    def encode(self, text, add_generation_prompt=True, add_special_tokens=True):
        if isinstance(text, str):
            assert not add_special_tokens, "a reply must not begin with the model's first token again"
            return [ord(c) for c in text]
        return [1, *(ord(c) for m in text.messages for c in m.content), 2]


def row(chosen="ab", rejected="c", **more):
    return {"case": "k", "prompt": [{"role": "user", "content": "q"}], "chosen": chosen, "rejected": rejected} | more


def test_replies_follow_the_prompt_and_end():
    (example,) = preference_examples([row(why="because")], Letters())
    assert example.id == "k#0"
    assert example.prompt == (1, ord("q"), 2)
    assert example.completions == ((97, 98, 0), (99, 0))


def test_demonstrations_are_the_chosen_replies_once():
    found = demonstration_examples([row(), row(rejected="d"), row(chosen="x")], Letters())
    assert [e.completions for e in found] == [((97, 98, 0),), ((120, 0),)]
    alone = {key: value for key, value in row().items() if key != "rejected"}
    assert demonstration_examples([alone], Letters()) == found[:1]
    with pytest.raises(DataError, match=r"row 1 \(k\): the reply is empty"):
        demonstration_examples([row(), row(chosen="")], Letters())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (row(rejected=" "), r"pair 1 \(k\): a reply is empty"),
        (row(rejected="ab"), r"pair 1 \(k\): chosen and rejected are the same"),
        ({"case": "k"}, "pair 1: .*missing"),
        (row(margin="big"), r"pair 1: .*float.*margin"),
        (row(margin=float("nan")), r"pair 1 \(k\): the margin is nan"),
    ],
)
def test_wrong_rows_are_named(wrong, message):
    with pytest.raises(DataError, match=message):
        preference_examples([row(), wrong], Letters())


def test_a_margin_is_kept_as_the_label():
    assert [e.label for e in preference_examples([row(), row(margin=2), row(margin=-0.5)], Letters())] == [0, 2, -0.5]


def labelled(content, completion="ab", label=True, **more):
    return {"prompt": [{"role": "user", "content": content}], "completion": completion, "label": label} | more


def test_a_labelled_reply_is_set_beside_one_that_was_written_for_another_prompt():
    rows = [labelled("p", "a"), labelled("p", "b", False), labelled("q", "c"), labelled("r", "d", case="k")]
    found = labelled_examples(rows, Letters())
    letters = ["".join(chr(c[0]) for c in e.completions) for e in found]
    assert letters == ["ac", "bc", "cd", "da"]
    assert [e.label for e in found] == [1, 0, 1, 1]
    assert [e.id for e in found] == ["row#0", "row#1", "row#2", "k#3"]
    assert found[0].prompt == (1, ord("p"), 2)
    assert found == labelled_examples(rows, Letters())


@given(st.lists(st.sampled_from("pqrs"), min_size=2, max_size=12).filter(lambda p: len(set(p)) > 1))
def test_the_mismatched_reply_is_never_of_the_same_prompt(prompts):
    found = labelled_examples([labelled(p, p) for p in prompts], Letters())
    assert all(e.completions[0] != e.completions[1] for e in found)


def test_pairs_are_two_labelled_replies_each():
    prompt = [{"role": "user", "content": "z"}]
    found = labelled_examples([row(), row(chosen="x", rejected="y", prompt=prompt)], Letters())
    assert [(chr(e.completions[0][0]), chr(e.completions[1][0]), e.label) for e in found] == [
        ("a", "x", 1),
        ("c", "x", 0),
        ("x", "a", 1),
        ("y", "a", 0),
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (labelled("q", " "), r"row 1 \(row\): the completion is empty"),
        (labelled("q", label="yes"), r"row 1: .*bool.*label"),
        (labelled("p"), "2 labelled replies to 1 prompt: add rows, at least two prompts"),
        (row(rejected="ab"), r"pair 1 \(k\): chosen and rejected are the same"),
    ],
)
def test_wrong_labelled_rows_are_named(wrong, message):
    with pytest.raises(DataError, match=message):
        labelled_examples([labelled("p"), wrong], Letters())


def test_content_knows_tokens_and_not_names():
    one, two, three = preference_examples([row(), row(case="z"), row(chosen="b")], Letters())
    assert one.content == two.content != three.content


def test_real_template_ends_where_generation_begins(embedded):
    (example,) = preference_examples([row(chosen="Yes, we do.", rejected="No.")], embedded)
    text = embedded.tokenizer.decode(example.prompt + example.completions[0])
    assert text.endswith("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nYes, we do.<|im_end|>")
    assert example.completions[0][-1] in embedded.stop_tokens
