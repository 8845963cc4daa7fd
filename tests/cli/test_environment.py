"""The only reader of the environment."""

import os
from pathlib import Path

import pytest

from gnomon.cli.environment import environment, unwatched


def test_the_command_line_wins_over_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GNOMON_HOME", "GNOMON_KEY", "GNOMON_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert environment().key.name == "signing.key"
    monkeypatch.setenv("GNOMON_HOME", str(tmp_path))
    assert environment().key == tmp_path / "signing.key"
    monkeypatch.setenv("GNOMON_KEY", str(tmp_path / "k"))
    monkeypatch.setenv("OPENAI_API_KEY", "b")
    assert (environment().key, environment().token) == (tmp_path / "k", "b")
    monkeypatch.setenv("GNOMON_API_KEY", "a")
    assert environment(tmp_path / "named").key == tmp_path / "named"
    assert environment().token == "a"  # noqa: S105


def test_trackers_do_not_report_on_a_run_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "")
    monkeypatch.delenv("WANDB_ERROR_REPORTING")
    unwatched()
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    unwatched()
    assert os.environ["WANDB_ERROR_REPORTING"] == "true"
