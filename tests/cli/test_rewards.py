"""`gnomon score --reward-model`: transcripts and pairs, broken rows among them, as a user runs it."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Gnomon

torch = pytest.importorskip("torch")

from gnomon.cli.app import app  # noqa: E402
from gnomon.cli.rewards import Tally, scored  # noqa: E402
from gnomon.core.errors import DataError, GnomonError  # noqa: E402
from gnomon.core.types import Message, Transcript  # noqa: E402
from gnomon.models import heads, reward_model  # noqa: E402
from gnomon.models.local import open_folder  # noqa: E402
from gnomon.models.reward_model import Calibration, RewardModel  # noqa: E402

USER = {"role": "user", "content": "Where is it?"}
REPLIES = ["On the left.", "No idea, sorry about that."]
DIALOGUE = "\n\nHuman: Where is it?\n\nAssistant:"


@pytest.fixture(scope="module")
def folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    local = open_folder(tiny, name="tiny", dtype="float32", device="cpu")
    with torch.no_grad():
        heads.attach(local.model, features=1).weight.mul_(30)
    made = tmp_path_factory.mktemp("rewards") / "rm"
    RewardModel(local=local, calibration=Calibration(mean=0.1, deviation=0.4, temperature=2.0)).save(made)
    return made


def rewards(folder: Path) -> list[float]:
    talks = [Transcript((Message("user", "Where is it?"), Message("assistant", r))) for r in REPLIES]
    values: list[float] = reward_model.load(folder).rewards(talks).tolist()
    return values


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(folder: Path, path: Path) -> tuple[list[Any], Tally]:
    tally = Tally()
    return list(scored(path, folder, tally)), tally


@pytest.mark.parametrize("part", [1, 4, 32])
def test_transcripts_and_pairs_of_several_forms(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr("gnomon.cli.rewards.PART", part)
    talk = {"id": "t", "messages": [USER, {"role": "assistant", "content": REPLIES[0]}]}
    chosen, rejected = ([{"role": "assistant", "content": r}] for r in REPLIES)
    rows = [
        talk,
        {"chosen": f"{DIALOGUE} {REPLIES[0]}", "rejected": f"{DIALOGUE} {REPLIES[1]}"},
        {"id": "trl", "prompt": [USER], "chosen": chosen, "rejected": rejected},
        {"chosen": f"{DIALOGUE} {REPLIES[1]}", "rejected": f"{DIALOGUE}"},
        {"messages": [USER]},
        {"messages": [{**USER, "content": "word " * 3000}, {"role": "assistant", "content": "Yes."}]},
    ]
    found, tally = judged(folder, write(tmp_path / "rows.jsonl", rows))
    assert [row["id"] for row in found] == ["t", 2, "trl", 4, 5, 6]
    first, second = rewards(folder)
    assert found[0]["reward"] == pytest.approx(first, abs=0.05)
    assert found[0]["value"] == pytest.approx(1 / (1 + math.exp(-(found[0]["reward"] - 0.1) / 0.4)), abs=1e-4)
    for row in found[1:3]:
        assert (row["chosen"], row["rejected"]) == pytest.approx((first, second), abs=0.05)
        assert row["probability"] == pytest.approx(1 / (1 + math.exp(-(row["chosen"] - row["rejected"]) / 2)), abs=1e-4)
    for row, begins in zip(
        found[3:], ("a reply is empty", "the conversation does not end", "the conversation has"), strict=True
    ):
        assert row["reason"].startswith(begins)
    assert (found[3]["probability"], found[4]["value"]) == (None, None)
    assert len(tally.odds) == 2
    assert set(tally.conversations) == {"where is it"}
    pairs, errors, left = tally.sentences()
    assert pairs.startswith("2 pairs of 1 conversations: chosen is put higher in ")
    assert errors.startswith("calibration error ")
    assert left.startswith("3 rows were not judged; the first: row 4: a reply is empty")


def test_the_command_writes_lines_and_says_what_they_come_to(gnomon: Gnomon, folder: Path, tmp_path: Path) -> None:
    pairs = [{"chosen": f"{DIALOGUE} {one}", "rejected": f"{DIALOGUE} {two}"} for one, two in (REPLIES, REPLIES[::-1])]
    found, _ = judged(folder, write(tmp_path / "rows.jsonl", pairs))
    ran = gnomon("score", "--jsonl", "rows.jsonl", "--reward-model", folder)
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(line) for line in ran.stdout.splitlines()] == found
    assert "chosen is put higher in 50.0% [" in ran.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"messages": [USER]}], "no row could be judged; row 1: the conversation does not end"),
        ([{"text": "?"}], "no row could be judged; row 1: has 'text'"),
        ([[1]], "rows.jsonl:1: write an object"),
        ([], "it is empty"),
    ],
)
def test_what_cannot_be_judged_ends_with_a_message(folder: Path, tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        judged(folder, write(tmp_path / "rows.jsonl", rows))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --dimension NAME or --reward-model FOLDER"),
        (("--dimension", "length", "--reward-model", "rm"), "either --dimension NAME or --reward-model FOLDER"),
        (("--reward-model", "rm", "--set", "a=1"), "leave --set out"),
        (("--reward-model", "rm"), "is not a reward model: it has no reward.json"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write(tmp_path / "rows.jsonl", [{}])
    ran = CliRunner().invoke(app, ["score", "--jsonl", str(tmp_path / "rows.jsonl"), *arguments])
    assert isinstance(ran.exception, GnomonError)
    assert message in str(ran.exception)


def test_scores_are_written_where_they_are_wanted(folder: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", [{"messages": [USER, {"role": "assistant", "content": r}]} for r in REPLIES])
    out = tmp_path / "scores.jsonl"
    ran = CliRunner().invoke(app, ["score", "--jsonl", str(rows), "--reward-model", str(folder), "--out", str(out)])
    assert (ran.exit_code, ran.output) == (0, "")
    assert [json.loads(line) for line in out.read_text().splitlines()] == judged(folder, rows)[0]
