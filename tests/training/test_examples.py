import pytest

pytest.importorskip("torch")

from gnomon.core.errors import DataError
from gnomon.training.examples import demonstration_examples, preference_examples


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (row(rejected=" "), r"pair 1 \(k\): a reply is empty"),
        (row(rejected="ab"), r"pair 1 \(k\): chosen and rejected are the same"),
        ({"case": "k"}, "pair 1: .*missing"),
    ],
)
def test_wrong_rows_are_named(wrong, message):
    with pytest.raises(DataError, match=message):
        preference_examples([row(), wrong], Letters())


def test_content_knows_tokens_and_not_names():
    one, two, three = preference_examples([row(), row(case="z"), row(chosen="b")], Letters())
    assert one.content == two.content != three.content


def test_real_template_ends_where_generation_begins(embedded):
    (example,) = preference_examples([row(chosen="Yes, we do.", rejected="No.")], embedded)
    text = embedded.tokenizer.decode(example.prompt + example.completions[0])
    assert text.endswith("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nYes, we do.<|im_end|>")
    assert example.completions[0][-1] in embedded.stop_tokens
