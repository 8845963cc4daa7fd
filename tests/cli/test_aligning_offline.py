"""What the offline methods learn from, and with which settings."""

from typing import Any

from gnomon.cli.aligning_offline import encoded, loop_settings
from gnomon.cli.checkpoints import local
from gnomon.core import plugin
from tests.cli.conftest import Begin

ROWS = [
    {"prompt": [{"role": "user", "content": f"Question {i}?"}], "chosen": f"Yes, {i}.", "rejected": "No.", "case": "c"}
    for i in range(3)
]


def test_each_kind_of_loss_gets_its_kind_of_example(begin: Begin) -> None:
    model = local(begin())

    def read(name: str) -> list[Any]:
        return encoded(ROWS, plugin.build("loss", name), model)

    assert [len(e.completions) for e in read("dpo")] == [2, 2, 2]
    assert [len(e.completions) for e in read("sft")] == [1, 1, 1]
    assert [e.label for e in read("kto")] == [1, 0, 1, 0, 1, 0]


def test_the_users_word_on_the_loop_comes_last(begin: Begin) -> None:
    run = begin("steps=6", "loop.decay=constant", "loop.batch=2", "seed=3")
    loop = loop_settings(run, examples=9)
    assert (loop.steps, loop.batch, loop.decay, loop.seed) == (6, 2, "constant", 3)
