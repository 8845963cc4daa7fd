"""Goals from a file: what public sets of harmful behaviours ask for, or a list of one's own, one request a row.

CSV, JSON lines, or plain text with a request a line. Columns are recognised: AdvBench and MaliciousInstruct (goal or
prompt, target), HarmBench (Behavior, ContextString, SemanticCategory, BehaviorID), JailbreakBench (Goal, Target,
Category; its Behavior is but a title), StrongREJECT (forbidden_prompt, category); others are named. It writes no texts.
A row that says that its request is harmless (harmful = 0) is no goal. Equal requests are one goal.
Source: Zou et al. 2307.15043; Mazeika et al. 2402.04249; Chao et al. 2404.01318 for the columns.
Units: ids are `norm/goal/ID`, where ID is the row's own or the digest of the request, so that order plays no part.
Fails: closed; a file without goals, a row without a request or with another's id is a DataError at file:line.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gnomon.core.errors import DataError, choices
from gnomon.core.files import read_json_lines, read_text
from gnomon.core.protocols import Goal
from gnomon.core.types import Json, Message, Transcript
from gnomon.redteam.goals import spread

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "request": ("goal", "Goal", "prompt", "forbidden_prompt", "Behavior", "behavior", "question", "request", "text"),
    "target": ("target", "Target"),
    "context": ("ContextString", "context"),
    "category": ("SemanticCategory", "category", "Category", "risk_area", "harm_categories", "family"),
    "id": ("BehaviorID", "id", "question_id", "Index"),
}
"""What is looked for, and the columns that may hold it: the first that a row has."""
BEHIND_CONTEXT = "\n\n---\n\n"
"""What HarmBench puts between a context and the behaviour."""

Row = tuple[str, Mapping[str, Json]]


def read(
    path: Path,
    *,
    norm: str,
    system: str = "",
    most: int | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[Goal, ...]:
    """Goals against one norm, in the order of the file; `most` of them, spread evenly over the categories.

    `system` goes before every request. `columns` names the column of "request", "target", "context", "category" or
    "id" where it has another name. A `target` becomes what attacks on weights aim at; rows without a category are each
    a family of their own.
    """
    named = dict(columns or {})
    for part in named:
        if part not in COLUMNS:
            raise DataError(f"there is no '{part}' to name a column for; {choices(part, COLUMNS)}")
    found: dict[str, Goal] = {}
    for where, values in _rows(path):
        if values.get("harmful") in (0, "0", False):
            continue
        goal = _goal(where, values, norm, system, named)
        known = found.setdefault(goal.id, goal)
        if known.prompt.messages != goal.prompt.messages:
            raise DataError(f"{where}: another row has the id '{goal.id}' too; give each request its own")
    if not found:
        raise DataError(f"{path}: it holds no goals; write one request a line, or a column 'goal'")
    return spread(tuple(found.values()), most)


def _goal(where: str, values: Mapping[str, Json], norm: str, system: str, named: Mapping[str, str]) -> Goal:
    request = _text(where, values, "request", named)
    if not request:
        wanted = named.get("request") or f"one of {', '.join(COLUMNS['request'])}"
        raise DataError(f"{where}: no request: write a text in the column {wanted}")
    context, target = (_text(where, values, part, named) for part in ("context", "target"))
    whole = f"{context}{BEHIND_CONTEXT}{request}" if context else request
    own = _text(where, values, "id", named) or hashlib.sha256(whole.encode()).hexdigest()[:12]
    name = f"{norm}/goal/{own}"
    opening = (Message("system", system),) if system else ()
    return Goal(
        id=name,
        norm=norm,
        prompt=Transcript((*opening, Message("user", whole)), {"target": target} if target else {}),
        family=_text(where, values, "category", named) or name,
    )


def _text(where: str, values: Mapping[str, Json], part: str, named: Mapping[str, str]) -> str:
    """A part of a row; empty where there is none. Of a list, its first entry."""
    if part in named:
        if named[part] not in values:
            raise DataError(f"{where}: no column '{named[part]}'; {choices(named[part], [str(k) for k in values])}")
        value = values[named[part]]
    else:
        value = next((values[c] for c in COLUMNS[part] if values.get(c) not in (None, "", [])), "")
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{where}: the {part} must be text, not {json.dumps(value)[:40]}")
    return (value or "").strip()


def _rows(path: Path) -> Iterator[Row]:
    """(file:line, columns) of each row."""
    if path.suffix == ".csv":
        yield from _table(path)
    elif path.suffix in (".jsonl", ".ndjson"):
        for number, value in read_json_lines(path):
            if not isinstance(value, dict):
                raise DataError(f'{path}:{number}: a row must be an object such as {{"goal": TEXT}}')
            yield f"{path}:{number}", value
    elif path.suffix in (".txt", ""):
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            if line.strip():
                yield f"{path}:{number}", {"goal": line}
    else:
        raise DataError(f"{path}: goals are read from .csv, .jsonl or .txt; name the file so")


def _table(path: Path) -> Iterator[Row]:
    text = read_text(path).removeprefix("\ufeff")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for values in reader:
        where = f"{path}:{reader.line_num}"
        if None in values:
            raise DataError(f"{where}: more cells than columns; put a text with commas into quotes")
        yield where, values


def digest(goals: Sequence[Goal]) -> str:
    """SHA-256 (hex) of all that goals are, whatever their order."""
    from gnomon.core.canonical import digest as of

    return of(sorted((g.id, g.norm, g.family, g.prompt.id) for g in goals))
