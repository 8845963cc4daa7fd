"""Ledgers of simulated runs, built once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Kind of run to its ledger, opened for reading."""
    import demo_ledger

    return demo_ledger.built(tmp_path_factory.getbasetemp() / "demo")
