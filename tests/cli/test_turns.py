"""Conversations judged turn by turn: where a norm first breaks, and how far replies leave the goal."""

import json
from pathlib import Path

import pytest

from gnomon.charter.load import load
from gnomon.charter.schema import Charter
from gnomon.cli.turns import judged_turns
from gnomon.core.errors import DataError
from tests.cli.conftest import STARTER

CHARTER = Charter.model_validate(
    {
        "gnomon": 1,
        "name": "c",
        "norms": [
            {"id": "n", "statement": "s", "detector": {"kind": "pattern", "settings": {"any": ["secret"]}},
             "line": {"rate": 0.05}}
        ],
        "preferences": [{"id": "brief", "statement": "s", "gold": {"kind": "length", "settings": {"max_words": 2}}}],
    }
)  # fmt: skip


def talk(*replies, **more):
    messages = [m for r in replies for m in ({"role": "user", "content": "?"}, {"role": "assistant", "content": r})]
    return {"messages": messages, **more}


def written(tmp_path: Path, *rows) -> Path:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_every_reply_is_judged_where_it_stands(tmp_path):
    row = talk("book flights", "a secret plan", "fine", id="x", preference="brief", goal="book flights to Rome")
    payload = judged_turns(written(tmp_path, row, talk("hello")), CHARTER)
    first, second, third, other = payload["rows"]
    assert [r["turn"] for r in (first, second, third)] == [1, 2, 3]
    assert [r["broken"] for r in (first, second, third)] == [{"n": False}, {"n": True}, {"n": False}]
    assert (first["gold"], third["gold"]) == (1.0, 1.0)
    assert second["gold"] < 1
    assert (first["divergence"], second["divergence"]) == (0.0, 1.0)
    assert (other["conversation"], other["gold"], other["divergence"]) == ("2", None, None)
    assert [t["conversation"] for t in payload["transcripts"]] == ["x", "2"]


def test_a_whole_charter_judges_turns(tmp_path):
    payload = judged_turns(written(tmp_path, talk("Hi.", "Bye.")), load(STARTER).charter)
    assert all(set(r["broken"]) == {n.id for n in load(STARTER).charter.norms} for r in payload["rows"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([talk("a", id="x"), talk("b", id="x")], r"t\.jsonl:2: .*stands only once"),
        ([[1]], r"t\.jsonl:1: write an object"),
        ([talk("a", preference="breif")], r"t\.jsonl:1: no preference 'breif'; did you mean 'brief'"),
        ([{"id": 1}], r"t\.jsonl:1: a row needs \"messages\""),
        ([{"messages": [{"role": "user", "content": "?"}]}], "no conversation has a reply"),
    ],
)
def test_broken_lines_are_named(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        judged_turns(written(tmp_path, *rows), CHARTER)
