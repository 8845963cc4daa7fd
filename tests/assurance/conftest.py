"""Ledgers of simulated runs, built once."""

from pathlib import Path

import pytest

from gnomon.ledger.store import Ledger
from tests import demo_ledger


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ledger]:
    """Kind of run to its ledger, opened for reading."""
    folder: Path = tmp_path_factory.getbasetemp() / "demo"
    return demo_ledger.built(folder)
