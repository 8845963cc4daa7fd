"""decode.c, compiled for this machine when it is first used (`native`), and loaded.

One shared library for each type of weights. A machine without a C compiler, or one whose library does not load, gets a
reason and not an error: decoding has other ways.
Source: ctypes; the structures mirror those of decode.c field for field.
Fails: `Unfit`, remembered for the process.
"""

import ctypes
import functools
from ctypes import POINTER, c_float, c_int32, c_int64, c_void_p
from pathlib import Path

import torch

from gnomon.models.native import Unfit as Unfit
from gnomon.models.native import compiled

SOURCE = Path(__file__).with_name("decode.c")
FLAGS = ("-O3", "-std=gnu11", "-march=native", "-shared", "-fPIC")


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
    found = _once(dtype, folder)
    if isinstance(found, str):
        raise Unfit(found)
    return found


@functools.cache
def _once(dtype: torch.dtype, folder: Path | None) -> ctypes.CDLL | str:
    try:
        loaded = ctypes.CDLL(str(compiled(SOURCE, dtype, FLAGS, folder)))
    except (Unfit, OSError) as error:
        return str(error)
    loaded.gnomon_step.restype = None
    loaded.gnomon_step.argtypes = [POINTER(kind) for kind in (Model, Pages, Tokens, Draw, Space)]
    return loaded
