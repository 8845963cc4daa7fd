"""Reading a charter: YAML to a checked, resolved Charter, or every error at its place in the file.

It does not judge whether the charter is wise: `lint` does. It scores nothing.
Source: JSON Schema 2020-12 for `json_schema`, as pydantic writes it.
Fails: closed; CharterError with one `file:line:column: what; write … instead` a line.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pydantic

from gnomon.charter import checks, locate, placeholders
from gnomon.charter.schema import Charter
from gnomon.core.canonical import sha256
from gnomon.core.errors import CharterError, DataError, choices
from gnomon.core.files import read_text
from gnomon.core.types import Json

MOST_ERRORS = 20
STARTER = Path(__file__).with_name("starter.yaml")
EXPECTED = {
    "string_type": "a text; write it in quotes",
    "bool_type": "true or false; write it without quotes",
    "int_type": "a whole number; write digits without quotes",
    "float_type": "a number; write digits without quotes",
    "list_type": "a list; write one item a line after '- '",
    "tuple_type": "a list; write one item a line after '- '",
    "dict_type": "a mapping; write 'name: value' lines",
    "model_type": "a mapping; write 'name: value' lines",
    "model_attributes_type": "a mapping; write 'name: value' lines",
}


@dataclass(frozen=True)
class Loaded:
    """A charter with placeholders resolved, and the file it came from."""

    charter: Charter
    """`system`, settings, `instead`, `examples` and `triggers` are resolved; families stay templates."""
    located: locate.Located
    path: Path
    digest: str
    """SHA-256 (hex) of the file's bytes."""

    @property
    def source(self) -> str:
        """The file's text."""
        return self.located.source

    def place(self, where: str) -> str:
        """`file:line:column` of a lint finding's `where`, such as `norms.staff-code.probes`."""
        path: locate.Path = ()
        node = self.located.data
        for part in where.split("."):
            if isinstance(node, dict) and part in node:
                path, node = (*path, part), node[part]
            elif isinstance(node, list) and (index := _named(node, part)) is not None:
                path, node = (*path, index), node[index]
            else:
                break
        line, column = self.located.place(path)
        return f"{self.located.name}:{line}:{column}"


def _named(rows: list[Any], name: str) -> int | None:
    """Index of the row with this id, family or number."""
    for index, row in enumerate(rows):
        if name == str(index) or (isinstance(row, dict) and name in (row.get("id"), row.get("family"))):
            return index
    return None


def load(path: Path) -> Loaded:
    """Read and resolve a charter. Raises CharterError with every error found, StorageError when unreadable."""
    try:
        source = read_text(path)
    except DataError as error:
        raise CharterError(f"{path}:1:1: {error}") from error
    located = locate.parse(source, str(path))
    raw = _validated(located, located.data)
    _refuse(located, checks.findings(raw))
    resolved = _validated(located, _resolve(located.data, raw))
    _refuse(located, checks.settings_findings(resolved))
    _refuse(located, checks.leak_findings(resolved))
    return Loaded(resolved, located, path, sha256(source.encode()))


def json_schema() -> dict[str, Any]:
    """JSON Schema of the format, for editors and other programs."""
    schema = Charter.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _refuse(located: locate.Located, wrong: list[checks.Wrong]) -> None:
    if not wrong:
        return
    placed = sorted(wrong, key=lambda w: located.place(w.path, key=w.key, text=w.text))
    lines = [located.message(w.path, w.what, key=w.key, text=w.text) for w in placed]
    raise CharterError(_joined(lines))


def _joined(lines: list[str]) -> str:
    unique = list(dict.fromkeys(lines))
    rest = len(unique) - MOST_ERRORS
    return "\n".join(unique[:MOST_ERRORS] + ([f"… and {rest} more"] if rest > 0 else []))


def _validated(located: locate.Located, data: Json) -> Charter:
    if not isinstance(data, dict):
        raise CharterError(f"{located.name}:1:1: a charter is a mapping; write 'gnomon: 1' as its first line")
    try:
        return Charter.model_validate(data)
    except pydantic.ValidationError as error:
        wrong = [_wrong(located, dict(detail)) for detail in error.errors(include_url=False)]
        _refuse(located, wrong)
        raise


def _wrong(located: locate.Located, detail: dict[str, Any]) -> checks.Wrong:
    """One pydantic error at its place, in our words."""
    path = _path_in(located.data, detail["loc"])
    kind, last = detail["type"], str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "extra_forbidden":
        return checks.Wrong(path, f"unknown key '{last}'; {choices(last, _keys_at(detail['loc'][:-1]))}", key=True)
    if kind == "missing":
        return checks.Wrong(path, f"the key '{last}' is missing; write '{last}: …' here")
    found = detail.get("input")
    if kind in EXPECTED:
        hint = ""
        if isinstance(found, bool) and kind == "string_type":
            hint = " (YAML reads yes, no, on and off without quotes as true or false)"
        return checks.Wrong(path, f"found {_shown(found)}, expected {EXPECTED[kind]}{hint}")
    if kind == "literal_error":
        return checks.Wrong(path, f"found {_shown(found)}; write one of {detail['ctx']['expected']}")
    if kind == "string_pattern_mismatch":
        text = "small letters, digits, '-' and '_' only"
        return checks.Wrong(path, f"{_shown(found)} is no id; write {text}", key=last == "[key]")
    return checks.Wrong(path, f"{detail['msg']}, found {_shown(found)}; write a value that fits")


def _shown(value: Json) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    text = (
        repr(value) if isinstance(value, str | int | float) else f"a {'list' if isinstance(value, list) else 'mapping'}"
    )
    return text if len(text) <= 60 else text[:57] + "…"


def _path_in(data: Json, loc: tuple[int | str, ...]) -> locate.Path:
    """A pydantic location without the parts that stand for a union's branch or a key."""
    path: locate.Path = ()
    for part in loc:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            data, path = data[part], (*path, part)  # type: ignore[index]
    return path


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the model that a pydantic location leads to."""
    models: list[Any] = [Charter]
    for part in loc:
        branch = [model for model in models if model.__name__ == part]
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if branch:
            models = branch
        elif fields:
            models = _models_in(fields[0].annotation)
    return list(models[0].model_fields) if models else []


def _models_in(annotation: Any) -> list[Any]:
    """The models inside an annotation such as `tuple[Norm, ...]` or a union."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _resolve(data: Json, raw: Charter) -> Json:
    """The data with system, settings, instead, examples and triggers filled in. Families stay templates."""
    known = placeholders.values(raw.context.facts, raw.context.secrets)
    context = data.get("context") or {}
    if "system" in context:
        context = {**context, "system": placeholders.fill_text(context["system"], known)}
    norms = [
        {
            key: placeholders.fill_tree(value, known) if key in checks.RESOLVED_OF_NORM else value
            for key, value in norm.items()
        }
        for norm in data.get("norms", [])
    ]
    preferences = [
        {key: placeholders.fill_tree(value, known) if key in ("gold", "proxy") else value for key, value in row.items()}
        for row in data.get("preferences", [])
    ]
    return {**data, "context": context, "norms": norms, "preferences": preferences}
