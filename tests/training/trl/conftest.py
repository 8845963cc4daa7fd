"""Where the peer library runs: an environment of its own, so that neither decides the other's versions."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def trl_python() -> Path:
    """Python of TRL 1.16.0's own environment."""
    found = Path(__file__).resolve().parents[3] / ".peers" / "trl" / "bin" / "python"
    if not found.exists():
        pytest.skip("TRL is not installed beside the sources; write: make .peers/trl/made")
    return found
