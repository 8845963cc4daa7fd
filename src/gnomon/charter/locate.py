"""YAML with the place of every key and value, so that an error can point at file:line:column.

No custom tags, no includes; a key that stands twice in one mapping is an error.
Source: YAML 1.1 as PyYAML's safe loader reads it.
Fails: closed; text that is not YAML raises CharterError at the place where reading stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from gnomon.core.errors import CharterError
from gnomon.core.types import Json

Path = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(frozen=True)
class Located:
    """Plain data, its source, and where in the source each part stands."""

    name: str
    """File name, as messages show it."""
    source: str
    data: Json
    keys: Mapping[Path, Place]
    """Path of a mapping's entry to the place of its key."""
    values: Mapping[Path, tuple[int, int]]
    """Path of a value to the first and last character of its text in the source."""

    def place(self, path: Path, *, key: bool = False, text: str = "") -> Place:
        """Where a value stands (or its key; or a text inside it). Unknown ends of a path are dropped."""
        while path and path not in self.values:
            path, key = path[:-1], False
        if key and path in self.keys:
            return self.keys[path]
        start, end = self.values.get(path, (0, 0))
        found = self.source.find(text, start, end) if text else -1
        at = found if found >= 0 else start
        before = self.source.rfind("\n", 0, at)
        return self.source.count("\n", 0, at) + 1, at - before

    def message(self, path: Path, what: str, *, key: bool = False, text: str = "") -> str:
        """`file:line:column: what`."""
        line, column = self.place(path, key=key, text=text)
        return f"{self.name}:{line}:{column}: {what}"


def parse(source: str, name: str) -> Located:
    """Read YAML. Raises CharterError for bad syntax, duplicate keys, keys that are no text, and custom tags."""
    loader = _loader(source, name)
    try:
        root = loader.get_single_node()
        if root is None:
            raise CharterError(f"{name}:1:1: the charter is empty; write what `gnomon init` gives, then change it")
        keys: dict[Path, Place] = {}
        spans: dict[Path, tuple[int, int]] = {}
        data = _walk(root, (), loader, name, keys, spans)
        return Located(name, source, data, keys, spans)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        hint = _hint(error.problem or "")
        raise CharterError(f"{name}:{where}: not YAML: {error.problem or error.context}; {hint}") from error
    except RecursionError as error:
        raise CharterError(f"{name}:1:1: an alias holds itself; write the text out instead") from error
    finally:
        loader.dispose()


def _loader(source: str, name: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(source)
    except yaml.reader.ReaderError as error:
        line, before = source.count("\n", 0, error.position) + 1, source.rfind("\n", 0, error.position)
        where = f"{name}:{line}:{error.position - before}"
        raise CharterError(f"{where}: a character that YAML forbids; write the text without it") from error


def _hint(problem: str) -> str:
    if "\\t" in problem:
        return "write spaces, not tabs, to indent"
    if "mapping values are not allowed" in problem:
        return 'write quotes "…" around a text that holds a colon'
    if "got '?'" in problem:
        return 'write quotes "…" around a text that holds a question mark'
    if "constructor for the tag" in problem:
        return "write plain values without tags"
    return "write a matching indent, quote and bracket here"


def _walk(
    node: yaml.Node,
    path: Path,
    loader: yaml.SafeLoader,
    name: str,
    keys: dict[Path, Place],
    spans: dict[Path, tuple[int, int]],
) -> Json:
    spans[path] = (node.start_mark.index, node.end_mark.index)
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_walk(item, (*path, i), loader, name, keys, spans) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        found: dict[str, Json] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            where = f"{name}:{mark.line + 1}:{mark.column + 1}"
            key = _scalar(key_node, loader)
            if not isinstance(key, str):
                raise CharterError(f'{where}: a key must be a text; write "{key}" with quotes')
            if key in found:
                raise CharterError(f"{where}: the key '{key}' stands twice; write it once")
            keys[(*path, key)] = (mark.line + 1, mark.column + 1)
            found[key] = _walk(value_node, (*path, key), loader, name, keys, spans)
        return found
    return _scalar(node, loader)


def _scalar(node: yaml.Node, loader: yaml.SafeLoader) -> Json:
    try:
        value = loader.construct_object(node, deep=True)
    except ValueError:  # a date that does not exist, say: the charter knows only texts
        return str(node.value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)  # a date or a binary: read as written
    raise yaml.constructor.ConstructorError(
        None, None, f"could not determine a constructor for the tag {node.tag}", node.start_mark
    )
