"""ARCHITECTURE.md names only files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:tests/)?(?:\w+/)*\w+\.py)`", TEXT)
    places = (ROOT, ROOT / "src" / "gnomon", ROOT / "tests" / "contract", ROOT / "src" / "gnomon" / "ledger")
    assert len(named) > 15
    assert [name for name in named if not any((place / name).is_file() for place in places)] == []


def test_every_room_is_in_the_picture() -> None:
    rooms = {p.name for p in (ROOT / "src" / "gnomon").iterdir() if (p / "__init__.py").is_file()}
    assert {room for room in rooms if f"`{room}`" not in TEXT} == set()
