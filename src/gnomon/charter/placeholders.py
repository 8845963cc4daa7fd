"""Placeholders in a charter's texts: {slot}, {slot.key}, {fact.ID}, {facts}, {secret.ID}.

A brace that opens no name stands for itself, so patterns such as `a{2,3}` need no escape; `{{` and `}}` are
literal braces everywhere. A text that is exactly one placeholder takes the value as it is (a number, a list).
It knows no conditions, loops or filters.
Fails: closed; an unknown name raises LookupError, a value that is no text inside a text raises TypeError.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from gnomon.core.errors import choices
from gnomon.core.types import Json

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{\s*([A-Za-z_][\w-]*)(?:\.([\w-]+))?\s*\}")
RESERVED = ("fact", "facts", "secret")

Values = Mapping[str, Json]


def escape(text: str) -> str:
    """A text that `fill` gives back unchanged."""
    return text.replace("{", "{{").replace("}", "}}")


def names(text: str) -> Iterator[tuple[str, str, str]]:
    """(placeholder as written, name, key or "") for every placeholder of a text."""
    for match in PLACEHOLDER.finditer(text):
        if match[1]:
            yield match[0], match[1], match[2] or ""


def values(facts: Mapping[str, str], secrets: Mapping[str, str], slots: Values | None = None) -> Values:
    """What placeholders stand for: the slots' values, the facts and the secrets."""
    return {**(slots or {}), "fact": facts, "facts": "\n".join(facts.values()), "secret": secrets}


def lookup(name: str, key: str, known: Values) -> Json:
    """The value of `{name}` or `{name.key}`. Raises LookupError that lists what there is."""
    if name not in known:
        raise LookupError(f"there is no slot '{name}'; write one of the known placeholders; {choices(name, known)}")
    value = known[name]
    if isinstance(value, Mapping):
        if not key:
            raise LookupError(f"'{name}' has several values; write {{{name}.NAME}}; {choices(key, value)}")
        if key not in value:
            raise LookupError(f"there is no '{name}.{key}'; write one of its names; {choices(key, value)}")
        return value[key]
    if key:
        raise LookupError(f"'{name}' is a plain text without names; write {{{name}}}")
    return value


def fill(text: str, known: Values) -> Json:
    """A text with its placeholders replaced; the bare value when the text is one placeholder."""
    whole = PLACEHOLDER.fullmatch(text)
    if whole and whole[1]:
        return lookup(whole[1], whole[2] or "", known)

    def replace(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0][0]
        value = lookup(match[1], match[2] or "", known)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"{match[0]} is no text but {value!r}; write a text or a number as its value")
        return str(value)

    return PLACEHOLDER.sub(replace, text)


def fill_text(text: str, known: Values) -> str:
    """Like `fill`, where only a text will do."""
    value = fill(text, known)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"{text} is no text but {value!r}; write a text or a number as its value")
    return str(value)


def fill_tree(value: Json, known: Values) -> Json:
    """Every text in a JSON value filled; keys stay as they are."""
    return map_texts(value, lambda text: fill(text, known))


def map_texts(value: Json, change: Callable[[str], Json]) -> Json:
    """A JSON value with `change` applied to each text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: map_texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [map_texts(inner, change) for inner in value]
    return value


def texts(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path, text) for every text in a JSON value."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))
