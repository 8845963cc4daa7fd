"""decode.c, compiled for this machine when it is first used, and loaded.

One shared library for each type of weights, kept under the digest of its source, flags and processor. A machine
without a C compiler, or one whose library does not load, gets a reason and not an error: decoding has other ways.
Source: ctypes; the structures mirror those of decode.c field for field.
Fails: `Unfit`, remembered for the process.
"""

import ctypes
import functools
import os
import platform
import shutil
import subprocess
import tempfile
from ctypes import POINTER, c_float, c_int32, c_int64, c_void_p
from pathlib import Path

import torch

from gnomon.core.canonical import sha256

SOURCE = Path(__file__).with_name("decode.c")
FLAGS = ("-O3", "-std=gnu11", "-march=native", "-shared", "-fPIC")
OPTIONAL = ("-fopenmp",)
"""Left out where the compiler does not know them; then one thread computes."""
BFLOAT16 = {torch.bfloat16: 1, torch.float32: 0}
SECONDS = 120


class Unfit(Exception):
    """Why this machine or this model cannot be served by decode.c."""


class Layer(ctypes.Structure):
    """Weights of one layer; a missing one is None."""

    NAMES = (
        "norm",
        "q",
        "k",
        "v",
        "q_bias",
        "k_bias",
        "v_bias",
        "q_norm",
        "k_norm",
        "o",
        "norm2",
        "gate",
        "up",
        "down",
    )
    _fields_ = [(name, c_void_p) for name in NAMES]


class Model(ctypes.Structure):
    """A model's shape and weights."""

    _fields_ = [
        *((n, c_int32) for n in ("layers", "hidden", "inner", "heads", "key_heads", "head_size", "vocabulary")),
        *((n, c_float) for n in ("eps", "scale")),
        *((n, c_void_p) for n in ("embedding", "norm", "head", "cosine", "sine")),
        ("layer", POINTER(Layer)),
    ]


class Pages(ctypes.Structure):
    """Keys and values."""

    _fields_ = [("keys", c_void_p), ("values", c_void_p), ("blocks", c_int64), ("table", c_void_p), ("width", c_int32)]


class Tokens(ctypes.Structure):
    """What one call computes."""

    _fields_ = [
        ("n", c_int32),
        *((n, c_void_p) for n in ("id", "position", "row", "slot_from", "slot")),
        ("wanted", c_int32),
        ("want", c_void_p),
        ("apart", c_int32),
    ]


class Draw(ctypes.Structure):
    """How tokens are drawn, and where they go."""

    _fields_ = [("temperature", c_float), ("top_p", c_float), *((n, c_void_p) for n in ("uniform", "token", "logp"))]


class Space(ctypes.Structure):
    """Memory for what a call computes in between."""

    NAMES = ("hidden", "wide", "gate", "up", "last", "logits", "in", "mixed", "mid")
    MORE = ("score", "part_max", "part_sum", "row_max", "candidate")
    _fields_ = [*((n, c_void_p) for n in NAMES + MORE), ("longest", c_int32), ("threads", c_int32)]


def library(dtype: torch.dtype, folder: Path | None = None) -> ctypes.CDLL:
    """The library for weights of this type."""
    found = _once(dtype, folder or Path.home() / ".cache" / "gnomon" / "native")
    if isinstance(found, str):
        raise Unfit(found)
    return found


@functools.cache
def _once(dtype: torch.dtype, folder: Path) -> ctypes.CDLL | str:
    try:
        loaded = ctypes.CDLL(str(_built(dtype, folder)))
    except (Unfit, OSError) as error:
        return str(error)
    loaded.gnomon_step.restype = None
    loaded.gnomon_step.argtypes = [POINTER(kind) for kind in (Model, Pages, Tokens, Draw, Space)]
    return loaded


def _built(dtype: torch.dtype, folder: Path) -> Path:
    if dtype not in BFLOAT16:
        raise Unfit(f"weights in {str(dtype).removeprefix('torch.')}; it knows bfloat16 and float32")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    flags = (*FLAGS, f"-DBF16={BFLOAT16[dtype]}")
    name = sha256("\n".join([SOURCE.read_text(encoding="utf-8"), *flags, str(compiler), _processor()]).encode())
    kept = folder / f"decode-{name[:32]}.so"
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
        _compile(compiler, flags, beside)
    except Unfit:
        os.unlink(beside)
        raise
    os.replace(beside, kept)
    return kept


def _compile(compiler: str, flags: tuple[str, ...], to: str) -> None:
    said = ""
    for more in (OPTIONAL, ()):
        try:
            command = [compiler, *flags, *more, str(SOURCE), "-o", to, "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unfit(f"{compiler} could not be run: {error}") from error
        if done.returncode == 0:
            return
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
    raise Unfit(f"{compiler} did not compile decode.c: {said}")


def _processor() -> str:
    """What -march=native looks at: a home folder may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    known = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return "\n".join([platform.machine(), platform.processor(), *sorted(set(known))])
