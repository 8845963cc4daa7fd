"""`gnomon methods` shows every loss with its source."""

import json

import pytest

from gnomon.cli.methods import described, parts
from gnomon.core import plugin
from tests.cli.conftest import Gnomon

NAMES = plugin.names("loss")


@pytest.mark.parametrize("name", NAMES)
def test_every_method_says_what_it_reads_and_where_it_comes_from(name: str) -> None:
    row = described(name)
    assert row["source"]
    assert row["what"].endswith((".", ":", ","))
    assert all(setting["meaning"] for setting in row["settings"])
    assert plugin.build("loss", name, {s["name"]: s["default"] for s in row["settings"]}) == plugin.build("loss", name)


def test_a_source_may_go_on_over_lines() -> None:
    head = "What it is.\n\nSource: first\nsecond; third.\nShapes: B.\n"
    assert parts(head) == {"what": "What it is.", "source": "first second; third."}


def test_the_command_lists_all_and_shows_one(gnomon: Gnomon) -> None:
    assert [row["name"] for row in json.loads(gnomon("methods", "--json").stdout)] == NAMES
    shown = gnomon("methods", "dpo").stdout
    assert "--set loss.beta=0.1" in shown
    assert "2305.18290" in shown
    wrong = gnomon("methods", "dop")
    assert wrong.returncode == 2
    assert "did you mean 'dpo'" in wrong.stderr
