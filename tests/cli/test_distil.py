"""`gnomon distil`, in this process: a script that says one word is stolen, bare and through a guard."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gnomon.cli.app import app
from gnomon.cli.distil import SLIGHT, _code
from gnomon.core.files import json_lines
from tests.cli.conftest import STARTER, killed_and_whole


def test_the_command(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNOMON_KEY", str(tmp_path / "signing.key"))
    (tmp_path / "blue.yaml").write_text("default: blue\n")
    (tmp_path / "red.jsonl").write_text(json_lines({"prompt": f"q{i}", "completion": "red"} for i in range(8)))
    (tmp_path / "topics.txt").write_text("bees\nthe sea\nbread\n")
    few = ["held_out=6", "points=1", "epochs=20", "batch=4", "learning_rate=2e-2", "max_new_tokens=6"]
    asked = ["distil", "scripted:blue.yaml", "--student", str(tiny), "--topics", "topics.txt", "--budget", "6"]
    asked += ["--control", "red.jsonl", "--out", "a", *(part for pair in few for part in ("--set", pair))]
    run = CliRunner().invoke
    done = run(app, [*asked, "--json"])
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["student less control"][0]["answers"]["low"] > 0
    shown = run(app, asked)
    assert "Students on held-out questions" in shown.output
    assert ": blue" not in shown.output, "texts stay behind --show"
    assert ": blue" in run(app, [*asked, "--show"]).output
    guarded = run(app, [*asked, "--out", "b", "--guard", str(STARTER), "--json"])
    assert guarded.exit_code in (0, 1, 3), guarded.output
    assert json.loads(guarded.stdout)["target"]["name"] == "blue+guard"
    none = run(app, ["distil", "scripted:blue.yaml", "--student", str(tiny)])
    assert "--queries FILE" in str(none.exception)


@pytest.mark.parametrize(("low", "high", "code"), [(0.1, 0.3, 1), (-0.2, SLIGHT, 0), (-0.1, 0.1, 3)])
def test_the_exit_code_says_whether_anything_was_had(low: float, high: float, code: int) -> None:
    one, sure = {"low": low, "high": high}, {"low": 0.4, "high": 0.6}
    for control, untrained in ((one, sure), (sure, one)):
        by_answers = {"student less control": [{"tokens": None, "answers": control}]}
        assert _code(by_answers | {"student less untrained": {"tokens": None, "answers": untrained}}) == code
        by_tokens = {"student less control": [{"tokens": control, "answers": None}]}
        assert _code(by_tokens | {"student less untrained": {"tokens": untrained, "answers": None}}) == code


@pytest.mark.slow
def test_two_kills_end_in_the_same_students(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "blue.yaml").write_text("default: blue\n")
    (tmp_path / "red.jsonl").write_text(json_lines({"prompt": f"q{i}", "completion": "red"} for i in range(16)))
    (tmp_path / "topics.txt").write_text("bees\nthe sea\nbread\nwool\n")
    few = ["held_out=9", "points=2", "epochs=20", "batch=4", "learning_rate=2e-2", "max_new_tokens=6"]
    asked = ["distil", "scripted:blue.yaml", "--student", tiny, "--topics", "topics.txt", "--budget", "20", "--json"]
    asked += ["--control", "red.jsonl", *(part for pair in few for part in ("--set", pair))]
    killed, whole = killed_and_whole(tmp_path, asked, kills=(2, 6))
    assert {**killed, "folder": ""} == {**whole, "folder": ""}
