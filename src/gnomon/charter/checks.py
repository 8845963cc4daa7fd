"""Errors of form that a schema cannot say: names that do not exist, doubles, leaks between splits.

Each check returns what is wrong and where; `load` turns that into file:line:column. Nothing is scored here.
Fails: closed; a family that cannot be compiled is reported, never skipped.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gnomon.charter import compile as compiling
from gnomon.charter import placeholders
from gnomon.charter.locate import Path
from gnomon.charter.schema import Charter, DimensionRef, Family, Norm, Preference, RewardModelRef
from gnomon.core import plugin
from gnomon.core.errors import SettingsError, choices

RESOLVED_OF_NORM = ("detector", "instead", "examples", "triggers")
GROUPS = {"probe": "probes", "lookalike": "lookalikes", "preference": "cases"}


@dataclasses.dataclass(frozen=True)
class Wrong:
    """One error: the path in the data, what it is, and whether it is the key or a text inside that is meant."""

    path: Path
    what: str
    key: bool = False
    text: str = ""


def findings(charter: Charter) -> list[Wrong]:
    """Doubles, names that do not exist, turns and placeholders, before anything is resolved."""
    return [
        *_doubles([(path, target.id) for path, target in targets(charter)], "id"),
        *_doubles([(("risks", i), risk.id) for i, risk in enumerate(charter.risks)], "id"),
        *_doubles([(path, family.family) for path, family, _, _ in families(charter)], "family"),
        *_names(charter),
        *_plain_placeholders(charter),
        *(wrong for path, family, _, _ in families(charter) for wrong in _family(charter, path, family)),
    ]


def targets(charter: Charter) -> list[tuple[Path, Norm | Preference]]:
    """Norms and preferences with their paths."""
    return [
        *((("norms", i), norm) for i, norm in enumerate(charter.norms)),
        *((("preferences", i), row) for i, row in enumerate(charter.preferences)),
    ]


def families(charter: Charter) -> Iterator[tuple[Path, Family, Norm | Preference, str]]:
    """(path, family, its norm or preference, kind of its cases) of every family."""
    for path, target in targets(charter):
        for kind, rows in compiling.groups(target):
            for index, family in enumerate(rows):
                yield (*path, GROUPS[kind], index), family, target, kind


def _doubles(rows: list[tuple[Path, str]], key: str) -> Iterator[Wrong]:
    seen: set[str] = set()
    for path, name in rows:
        if name in seen:
            yield Wrong((*path, key), f"the {key} '{name}' stands twice; write another name here")
        seen.add(name)


def _names(charter: Charter) -> Iterator[Wrong]:
    """Risks, frameworks and twins that are named but not there."""
    risks = [risk.id for risk in charter.risks]
    for i, norm in enumerate(charter.norms):
        for j, risk in enumerate(norm.risks):
            if risk not in risks:
                yield Wrong(
                    ("norms", i, "risks", j), f"no risk '{risk}'; write an id from 'risks'; {choices(risk, risks)}"
                )
    for path, family, target, kind in families(charter):
        if not family.twin:
            continue
        if not isinstance(target, Norm) or kind != "lookalike":
            yield Wrong((*path, "twin"), "only a lookalike has a twin; write no 'twin' here", key=True)
            continue
        probes = [probe.family for probe in target.probes]
        if family.twin not in probes:
            near = choices(family.twin, probes)
            yield Wrong((*path, "twin"), f"no family of probes '{family.twin}' in this norm; write its name; {near}")


def _plain_placeholders(charter: Charter) -> Iterator[Wrong]:
    """Placeholders where only facts and secrets are known."""
    known = placeholders.values(charter.context.facts, charter.context.secrets)
    data = charter.model_dump(mode="json", include={"context": {"system"}, "norms": True, "preferences": True})
    for path, text in placeholders.texts(data):
        keep = path == ("context", "system") or (len(path) > 2 and path[2] in (*RESOLVED_OF_NORM, "gold", "proxy"))
        if keep or "slots" in path:
            yield from _filled(path, text, known)


def _filled(path: Path, text: str, known: placeholders.Values) -> Iterator[Wrong]:
    for raw, name, key in placeholders.names(text):
        try:
            placeholders.lookup(name, key, known)
        except LookupError as error:
            yield Wrong(path, f"unknown placeholder {raw}: {error.args[0]}", text=raw)


def _family(charter: Charter, path: Path, family: Family) -> Iterator[Wrong]:
    known = placeholders.values(charter.context.facts, charter.context.secrets)
    for i, turn in enumerate(family.turns):
        if (turn.user is None) == (turn.assistant is None):
            yield Wrong((*path, "turns", i), "a turn has one speaker; write 'user: …' or 'assistant: …'")
    if family.turns[-1].user is None:
        last = (*path, "turns", len(family.turns) - 1)
        yield Wrong(last, "a conversation ends with the user; write a 'user: …' turn last")
    used: set[str] = set()
    turns = {"turns": [turn.user or turn.assistant or "" for turn in family.turns], "expect": family.expect}
    for inner, text in placeholders.texts(turns):
        for raw, name, key in placeholders.names(text):
            used.add(name)
            where = (*path, *inner)
            whole = "turns" not in inner and text.strip() == raw
            yield from _use(where, raw, name, key, family.slots.get(name, ()), known, family.slots, whole)
    for name in family.slots:
        if name in placeholders.RESERVED:
            yield Wrong((*path, "slots", name), f"'{name}' has a meaning of its own; write another name", key=True)
        elif name not in used:
            what = f"no turn and no expectation uses the slot '{name}'; write {{{name}}} in a turn or leave it out"
            yield Wrong((*path, "slots", name), what, key=True)


def _use(
    where: Path,
    raw: str,
    name: str,
    key: str,
    row: tuple[Any, ...],
    known: placeholders.Values,
    slots: Mapping[str, Any],
    whole: bool,
) -> Iterator[Wrong]:
    """One use of a placeholder in a family, against every value that its slot takes."""
    for value in row or (None,):
        try:
            found = placeholders.lookup(name, key, {**slots, **({name: value} if row else {}), **known})
        except LookupError as error:
            yield Wrong(where, f"unknown placeholder {raw}: {error.args[0]}", text=raw)
            return
        if not whole and (isinstance(found, bool) or not isinstance(found, str | int | float)):
            yield Wrong(where, f"{raw} is no text in one of its values; write a text or a number there", text=raw)
            return


def settings_findings(charter: Charter) -> list[Wrong]:
    """Dimensions that do not exist, settings that they do not have, expectations that no dimension reads."""
    wrong: list[Wrong] = []
    for path, target in targets(charter):
        if isinstance(target, Norm):
            wrong += _dimension((*path, "detector"), target.detector)
            continue
        for key, ref in (("gold", target.gold), ("proxy", target.proxy)):
            if ref is not None and not isinstance(ref, RewardModelRef):
                wrong += _dimension((*path, key), ref)
    known = {name for kind in plugin.names("dimension") for name in _settings_of(kind)}
    for path, family, _, _ in families(charter):
        for key in family.expect:
            if key not in known:
                what = f"no dimension reads the expectation '{key}'; write one of its settings; {choices(key, known)}"
                wrong.append(Wrong((*path, "expect", key), what, key=True))
    return wrong


def _settings_of(kind: str) -> list[str]:
    return [f.name for f in dataclasses.fields(plugin.load("dimension", kind)) if f.init]


def _dimension(path: Path, ref: DimensionRef) -> Iterator[Wrong]:
    there = plugin.names("dimension")
    if ref.kind not in there:
        yield Wrong((*path, "kind"), f"no dimension '{ref.kind}'; write a name that exists; {choices(ref.kind, there)}")
        return
    fields = _settings_of(ref.kind)
    unknown = [name for name in ref.settings if name not in fields]
    for name in unknown:
        what = f"'{ref.kind}' has no setting '{name}'; write one that exists; {choices(name, fields)}"
        yield Wrong((*path, "settings", name), what, key=True)
    if unknown:
        return
    try:
        plugin.build("dimension", ref.kind, ref.settings)
    except SettingsError as error:
        place = re.search(r"`\$\.(\w+)(?:\[(\d+)\])?", str(error))
        inner: Path = () if not place else (place[1], int(place[2])) if place[2] else (place[1],)
        yield Wrong((*path, "settings", *inner), f"{error}; write a value of that type")


def leak_findings(charter: Charter) -> list[Wrong]:
    """Templates or whole conversations that stand in two splits: what is reported must be unseen in training."""
    wrong: list[Wrong] = []
    templates: dict[str, tuple[str, str]] = {}
    prompts: dict[str, tuple[str, str]] = {}
    for path, family, target, kind in families(charter):
        template = _plain(" / ".join(f"{t.user or t.assistant}" for t in family.turns))
        words = placeholders.PLACEHOLDER.sub("", template)
        if any(c.isalpha() for c in words):
            wrong += _leak((*path, "turns"), template, family, templates, "template")
        try:
            rows = list(compiling.family_cases(charter, target.id, kind, family))  # type: ignore[arg-type]
        except TypeError:
            continue
        texts = {_plain(" / ".join(m.content for m in case.prompt.messages if m.role != "system")) for case in rows}
        for text in sorted(texts):
            if found := _leak((*path, "turns"), text, family, prompts, f"conversation '{text[:50]}'"):
                wrong += found
                break
    return wrong


def _leak(path: Path, text: str, family: Family, seen: dict[str, tuple[str, str]], what: str) -> list[Wrong]:
    split, name = seen.setdefault(text, (family.split, family.family))
    if split == family.split:
        return []
    return [Wrong(path, f"the same {what} is in family '{name}' of split '{split}'; write another one for this split")]


def _plain(text: str) -> str:
    """Case, spacing, punctuation and the names of slots do not make a template another one."""
    named = re.sub(r"\{[^{}]*\}", "{}", text.casefold())
    return " ".join(re.sub(r"[^\w{}/]+", " ", named).split())
