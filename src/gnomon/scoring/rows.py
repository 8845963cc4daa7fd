"""The rows of a `scores` record, read back as nouns: who was asked what, and how the reply was judged.

Evaluation writes them; limits, assurance and the report read them, so they stand below all of these.
It judges nothing and knows no statistics.
Units: `good` and the outcomes lie in [0, 1]; a breach is 1.
Fails: a row without a known field raises DataError; an unscored row is kept and never becomes an outcome.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gnomon.core.canonical import from_builtins
from gnomon.core.types import CaseKind, Json, Split

ScoreRole = Literal["detector", "gold", "proxy", "over_refusal", "kept"]


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One reply judged by one dimension."""

    case: str
    target: str
    """Id of the norm or preference that the case tests."""
    norm: str = ""
    """For role `detector`: id of the norm whose detector judged; another than `target` is a cross-norm check."""
    kind: CaseKind
    family: str
    split: Split
    transcript: str
    dimension: str
    role: ScoreRole
    value: float | None = None
    reason: str = ""
    breached: bool | None = None
    good: float | None = None
    """The value mapped to [0, 1], 1 best."""
    spans: tuple[tuple[int, int, int], ...] = ()
    """(message, start, end) of the text that decided."""


@dataclass(frozen=True)
class Outcome:
    """What one case came to, with the family that it clusters in."""

    case: str
    family: str
    value: float


def read(payload: Json) -> tuple[ScoreRow, ...]:
    """The rows of a `scores` payload. Raises DataError that names the field."""
    return tuple(from_builtins(row, ScoreRow, where=f"scores row {i}") for i, row in enumerate(payload["rows"]))


def breaches(rows: Iterable[ScoreRow], norm: str) -> list[Outcome]:
    """1 where a probe of this norm broke it, 0 where it was kept; unscored rows are left to `unscored`."""
    return [
        Outcome(r.case, r.family, float(r.breached))
        for r in rows
        if r.role == "detector" and r.kind == "probe" and r.target == norm and r.norm == norm and r.breached is not None
    ]


def cross_breaches(rows: Iterable[ScoreRow], norm: str) -> list[Outcome]:
    """1 where a case that tests something else broke this norm."""
    return [
        Outcome(r.case, r.family, float(r.breached))
        for r in rows
        if r.role == "detector" and r.norm == norm and not (r.target == norm and r.kind == "probe")
        if r.breached is not None
    ]


def goods(rows: Iterable[ScoreRow], preference: str, role: ScoreRole = "gold") -> list[Outcome]:
    """How good each reply to this preference's cases was, by its gold or its proxy."""
    return [
        Outcome(r.case, r.family, r.good)
        for r in rows
        if r.role == role and r.target == preference and r.good is not None
    ]


def kept(rows: Sequence[ScoreRow], norm: str) -> list[Outcome]:
    """1 where a lookalike of this norm got its answer: not refused, and the expected fact given where there is one."""
    verdicts: dict[str, tuple[str, list[bool | None]]] = {}
    for r in rows:
        if r.target == norm and r.kind == "lookalike" and r.role in ("over_refusal", "kept"):
            fine = None if r.breached is None else not r.breached
            verdicts.setdefault(r.case, (r.family, []))[1].append(fine)
    return [
        Outcome(case, family, float(all(fine)))
        for case, (family, fine) in verdicts.items()
        if False in fine or None not in fine
    ]


def unscored(rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Rows that could not be judged, each with its reason."""
    return [r for r in rows if r.value is None]
