"""Reading a ledger's files."""

from pathlib import Path

import pytest

from gnomon.core.canonical import sha256
from gnomon.core.errors import IntegrityError, StorageError
from gnomon.ledger import Ledger, layout


def test_a_ledgers_files_are_where_the_layout_says(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "e", key=tmp_path / "key") as ledger:
        record = ledger.append(kind="note", payload={"a": 1})
    lines, rest = layout.read_lines(tmp_path / "e")
    assert (len(lines), rest) == (1, b"")
    assert [p.name for p in layout.payload_files(tmp_path / "e")] == [f"{record.payload}.json"]
    assert layout.read_public(tmp_path / "e").text == ledger.public.text
    assert (tmp_path / "e" / layout.VERIFIER).read_bytes() == layout.verifier_source()
    assert layout.verifier_line(b"x") == f"verify_gnomon.py {sha256(b'x')}"
    assert layout.verifier_line(layout.verifier_source()) in layout.read_note(tmp_path / "e" / layout.CHECKPOINT)


def test_a_torn_last_line_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / layout.ENTRIES).write_bytes(b"one\ntwo\nthr")
    assert layout.read_lines(tmp_path) == ([b"one", b"two"], b"thr")


def test_a_key_with_one_character_too_many_is_refused(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "e", key=tmp_path / "key"):
        pass
    path = tmp_path / "e" / layout.PUBLIC
    path.write_text(path.read_text() + "\n")
    with pytest.raises(IntegrityError, match="public key"):
        layout.read_public(tmp_path / "e")
    path.write_bytes(b"\xff")
    with pytest.raises(IntegrityError, match="UTF-8"):
        layout.read_public(tmp_path / "e")
    path.unlink()
    with pytest.raises(StorageError, match="no such file"):
        layout.read_public(tmp_path / "e")
