"""Canonical JSON and the digests made of it: the same content gives the same id everywhere.

It does not compress, sign or store.
Source: RFC 8785 (JSON Canonicalization Scheme); FIPS 180-4 (SHA-256).
Fails: values that JSON cannot hold (NaN, infinities, integers beyond 2^53) raise DataError.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rfc8785

from gnomon.core.errors import DataError
from gnomon.core.types import Json

T = TypeVar("T")


def to_builtins(value: Any) -> Json:
    """Nouns, tuples and mappings as plain lists, dicts and scalars."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # msgspec alone would leave out defaults that it did not set itself, so that equal nouns had two ids
        return {f.name: to_builtins(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k if type(k) is str else _key(k): to_builtins(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_builtins(v) for v in value]
    return msgspec.to_builtins(value, str_keys=True)


def _key(key: Any) -> str:
    return str(next(iter(msgspec.to_builtins({key: None}, str_keys=True))))


def from_builtins(data: Json, kind: type[T], *, where: str = "") -> T:
    """Plain data as a noun. Raises DataError that names the field."""
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        raise DataError(f"{where + ': ' if where else ''}{error}") from error


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of any value made of nouns and JSON."""
    try:
        return rfc8785.dumps(to_builtins(value))
    except rfc8785.CanonicalizationError as error:
        raise DataError(f"no canonical JSON for this value: {error}") from error


def sha256(data: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of a value."""
    return sha256(canonical(value))


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@functools.cache
def code_digest() -> str:
    """Digest of this program's own source: every .py file of the package, by name and content."""
    root = Path(__file__).resolve().parent.parent
    return digest({str(p.relative_to(root)): file_digest(p) for p in sorted(root.rglob("*.py"))})
