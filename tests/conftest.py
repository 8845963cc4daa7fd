"""Fixtures that several rooms share: the embedded model, fetched and converted once for all runs on this machine."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gnomon.core.errors import ModelError

if TYPE_CHECKING:
    from gnomon.models.local import LocalModel

# Test processes run side by side; threads that wait for each other would cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def embedded_folder() -> Path:
    """Folder of the converted embedded model, in the cache that the command line uses."""
    pytest.importorskip("torch", reason="local models need gnomon[train]")
    from gnomon.models import embedded

    try:
        return embedded.folder(Path.home() / ".cache" / "gnomon")
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def embedded(embedded_folder: Path) -> "LocalModel":
    """The embedded model in float32; tests must leave its weights as they are."""
    from gnomon.models.embedded import NAME
    from gnomon.models.local import open_folder

    return open_folder(embedded_folder, name=NAME, dtype="float32", device="cpu")
