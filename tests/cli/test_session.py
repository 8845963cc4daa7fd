"""A run's name and folder."""

from dataclasses import replace
from pathlib import Path

from gnomon.charter.load import load
from gnomon.cli.session import identity
from gnomon.cli.settings import RunSettings
from tests.cli.conftest import STARTER


def test_a_run_is_found_again_and_never_mixed(tmp_path: Path) -> None:
    loaded, chosen = load(STARTER), RunSettings()
    name = identity(loaded, None, chosen, "run")
    assert name == identity(loaded, "embedded", chosen, "run")
    (tmp_path / "c.yaml").write_text(STARTER.read_text() + "\n# another word\n")
    others = {
        identity(loaded, "other/model", chosen, "run"),
        identity(loaded, None, replace(chosen, seed=1), "run"),
        identity(loaded, None, chosen, "attack"),
        identity(load(tmp_path / "c.yaml"), None, chosen, "run"),
    }
    assert name not in others
    assert len(others) == 4
    assert name.startswith("reading-room-")
