"""Compiling decode.c: once, atomically, and with a reason where it cannot be done."""

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gnomon.models import decode_library  # noqa: E402
from gnomon.models.decode_library import Unfit, library  # noqa: E402

COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_library, "FLAGS", ("-O0", "-march=native", "-shared", "-fPIC"))


def only(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a script the compiler."""
    program = path / "cc"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program) if name == "cc" else None)


def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, f'echo x >> {tmp_path}/calls; exec {COMPILER} "$@"', monkeypatch)
    kept = tmp_path / "deep" / "kept"
    assert library(torch.float32, kept).gnomon_activation() == 4
    assert library(torch.float32, kept).gnomon_lanes() in (4, 8, 16)
    decode_library._once.cache_clear()
    library(torch.float32, kept)
    assert (tmp_path / "calls").read_text() == "x\n"
    assert [p.name[:7] for p in kept.iterdir()] == ["decode-"]


def test_one_thread_where_openmp_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, f'case "$*" in *fopenmp*) exit 1;; esac; exec {COMPILER} -Wno-unknown-pragmas "$@"', monkeypatch)
    assert library(torch.float32, tmp_path / "kept").gnomon_lanes() > 1


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, "echo 'no such flag' >&2; exit 1", monkeypatch)
    with pytest.raises(Unfit, match=r"cc did not compile decode\.c: no such flag"):
        library(torch.float32, tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir()), "nothing half made is left"


def test_no_compiler_and_other_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Unfit, match="no C compiler"):
        library(torch.float32, tmp_path)
    with pytest.raises(Unfit, match="float16; it knows bfloat16 and float32"):
        library(torch.float16, tmp_path)


def test_a_folder_that_cannot_be_made_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert library(torch.float32, tmp_path / "file" / "below").gnomon_lanes() > 1


def test_a_library_that_does_not_load_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, 'while [ "$1" != -o ]; do shift; done; echo no library > "$2"', monkeypatch)
    with pytest.raises(Unfit, match=r"decode-.*\.so"):
        library(torch.float32, tmp_path / "kept")
