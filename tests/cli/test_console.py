"""What a person sees."""

import pytest

from gnomon.cli import console
from gnomon.core.types import Estimate


def test_a_stage_ends_when_the_next_begins() -> None:
    with console.bars(quiet=True) as bars:
        first = bars.stage("one")
        first.number("shards.total", 4, "shards", 0)
        first.number("shards.done", 1, "shards", 1)
        first.number("loss", 0.5, "nats", 1)
        task = bars.progress.tasks[0]
        assert (task.total, task.completed, task.fields["beside"]) == (4, 1, "loss 0.5 nats")
        bars.stage("two")
        assert bars.progress.tasks[0].finished


def test_rates_are_shown_in_percent_with_interval_and_n() -> None:
    rate = Estimate(value=0.123, low=0.081, high=0.179, n=240, unit="rate", method="Wilson")
    assert console.shown(rate) == "12.3% [8.1%, 17.9%], n = 240"
    assert console.shown(None) == "not assessed"


def test_results_go_out_and_messages_go_aside(capsys: pytest.CaptureFixture[str]) -> None:
    console.result_lines([{"é": 1}])
    console.result_json({"a": (1, 2)})
    told = capsys.readouterr()
    assert told.out == '{"é": 1}\n{\n  "a": [\n    1,\n    2\n  ]\n}\n'
    assert told.err == ""
