"""`gnomon canaries`: rows to train on, canaries to keep, nothing of them on the screen."""

import json
import stat
from pathlib import Path

import pytest

from .conftest import Gnomon


def test_canaries_are_planted_among_other_rows_and_not_shown(gnomon: Gnomon, tmp_path: Path) -> None:
    rows = [{"prompt": f"Question {i}", "chosen": f"Answer {i}", "rejected": "No."} for i in range(5)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    done = gnomon(
        "canaries", "--out", "made", "--into", "rows.jsonl", "--count", 4, "--repeats", "1,3", "--controls", 2
    )
    assert done.returncode == 0, done.stderr
    train = [json.loads(line) for line in (tmp_path / "made" / "train.jsonl").read_text().splitlines()]
    kept = [json.loads(line) for line in (tmp_path / "made" / "canaries.jsonl").read_text().splitlines()]
    assert len(train) == 5 + 2 * 1 + 2 * 3
    assert {r["completion"] for r in train} >= {f"Answer {i}" for i in range(5)}
    assert [c["repeats"] for c in kept] == [1, 1, 3, 3, 0, 0]
    assert not any(c["secret"] in done.stdout + done.stderr for c in kept)
    assert {stat.S_IMODE((tmp_path / "made" / n).stat().st_mode) for n in ("train.jsonl", "canaries.jsonl")} == {0o600}
    again = gnomon("canaries", "--out", "made")
    assert again.returncode == 2
    assert "may have been trained on it" in again.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--repeats", "1,1"], "different whole numbers"),
        (["--repeats", "one"], "different whole numbers"),
        (["--count", "3", "--repeats", "1,4"], "cannot be shared out"),
        (["--into", "none.jsonl"], "none.jsonl"),
    ],
)
def test_what_is_wrong_is_said(gnomon: Gnomon, more: list[str], said: str) -> None:
    done = gnomon("canaries", "--out", "made", *more)
    assert done.returncode == 2
    assert said in done.stderr
