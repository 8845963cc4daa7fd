"""Settings: a mapping becomes a frozen dataclass, or an error that lists the real names.

It reads no files and no environment: the command line does.
Fails: closed; an unknown key or a value of another type raises SettingsError.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import yaml

from gnomon.core.errors import SettingsError, choices
from gnomon.core.types import Json

T = TypeVar("T")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def make(kind: type[T], settings: Mapping[str, Json], *, name: str) -> T:
    """Build a frozen dataclass from plain settings; `name` is what messages call it."""
    fields = [f.name for f in dataclasses.fields(kind) if f.init]  # type: ignore[arg-type]
    for key in settings:
        if key not in fields:
            raise SettingsError(f"{name} has no setting '{key}'; {choices(key, fields)}")
    try:
        return msgspec.convert(dict(settings), kind, strict=True)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}: {error}") from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{name}: {error}") from error


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """`["a.b=1", "c=x"]` as `{"a": {"b": 1}, "c": "x"}`; values are read as YAML scalars or lists."""
    tree: dict[str, Any] = {}
    for pair in pairs:
        key, equals, raw = pair.partition("=")
        if not equals or not key:
            raise SettingsError(f"'{pair}' is not a setting; write --set name=value")
        value = _value(raw)
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise SettingsError(f"'{pair}': '{parent}' already has a value; write either a value or a group")
        node[leaf] = value
    return tree


def _value(raw: str) -> Any:
    """A value as YAML reads it, except that 1e-4 is a number, as everywhere else."""
    try:
        value = yaml.safe_load(raw) if raw else ""
        return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value
    except yaml.YAMLError:
        return raw
