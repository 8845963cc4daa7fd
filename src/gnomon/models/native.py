"""C sources of this package, compiled for this machine when they are first used.

One shared library for each type of numbers, kept under the digest of its source, flags and processor. A machine without
a C compiler gets a reason and not an error: whoever asks has another way. It loads nothing and knows no functions.
Fails: `Unfit` with the reason.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from gnomon.core.canonical import sha256

OPTIONAL = ("-fopenmp",)
"""Left out where the compiler does not know them; then one thread computes."""
BFLOAT16 = {torch.bfloat16: 1, torch.float32: 0}
SECONDS = 120


class Unfit(Exception):
    """Why this machine, or a model, cannot be served by C."""


def compiled(source: Path, dtype: torch.dtype, flags: tuple[str, ...], folder: Path | None = None) -> Path:
    """The shared library of a source that asks for `BF16`, 1 or 0; by default in the user's cache."""
    if dtype not in BFLOAT16:
        raise Unfit(f"weights in {str(dtype).removeprefix('torch.')}; it knows bfloat16 and float32")
    folder = folder or Path.home() / ".cache" / "gnomon" / "native"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    flags = (*flags, f"-DBF16={BFLOAT16[dtype]}")
    name = sha256("\n".join([source.read_text(encoding="utf-8"), *flags, str(compiler), _processor()]).encode())
    kept = folder / f"{source.stem}-{name[:32]}.so"
    if kept.is_file():
        return kept
    if compiler is None:
        raise Unfit("there is no C compiler (cc, gcc or clang)")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, beside = tempfile.mkstemp(dir=folder, suffix=".so")
    except OSError:  # a read-only home: for this process only
        handle, beside = tempfile.mkstemp(suffix=".so")
        kept = Path(beside)
    os.close(handle)
    try:
        _compile(compiler, source, flags, beside)
    except Unfit:
        os.unlink(beside)
        raise
    os.replace(beside, kept)
    return kept


def _compile(compiler: str, source: Path, flags: tuple[str, ...], to: str) -> None:
    said = ""
    for more in (OPTIONAL, ()):
        try:
            command = [compiler, *flags, *more, str(source), "-o", to, "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unfit(f"{compiler} could not be run: {error}") from error
        if done.returncode == 0:
            return
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
    raise Unfit(f"{compiler} did not compile {source.name}: {said}")


def _processor() -> str:
    """What -march=native looks at: a home folder may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    known = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return "\n".join([platform.machine(), platform.processor(), *sorted(set(known))])
