"""Whether a charter can do its work: findings of substance in a charter that is well formed.

It does not read files (`load`) and it builds no detector: scoring lies a floor above, so the caller passes `score`
and `direction`. `gnomon check` prints the findings and ends with 1 when there is an error among them.
Source: Clopper & Pearson 1934 for the number of probes a line needs; `coverage` and `conflict` hold the rest.
Units: rates are shares; n counts cases.
Fails: closed; a detector that leaves a text unscored is an error, for nobody would see a breach there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gnomon.charter import compile as compiling
from gnomon.charter import conflict, coverage
from gnomon.charter.judging import Directed, Judge, Scored
from gnomon.charter.schema import Charter, Norm
from gnomon.charter.severity import BY_BREACH, apart
from gnomon.core.types import Case, Message, Transcript

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something in the charter that will not work as meant."""

    level: Level
    where: str
    """Path by ids, such as `norms.staff-code.lookalikes.code-numbers`; `Loaded.place` gives its line."""
    message: str


def lint(charter: Charter, *, score: Scored, direction: Directed) -> list[Finding]:
    """Every finding, errors first, else in the charter's order."""
    judge = Judge(score, direction)
    cases = compiling.cases(charter)
    found = [
        *(Finding(*row) for row in coverage.norms(charter, cases)),
        *(Finding(*row) for row in coverage.preferences(charter, cases)),
        *(Finding(*row) for row in coverage.unused(charter)),
        *(finding for norm in charter.norms for finding in _severity(norm)),
        *(finding for norm in charter.norms for finding in _texts(charter, norm, judge)),
        *_lookalikes(charter, cases, judge),
        *(
            Finding("error", f"norms.{second.id}", message)
            for _, second, message in conflict.contradictions(charter, cases, judge)
        ),
    ]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level != "error")


def _severity(norm: Norm) -> Iterator[Finding]:
    """A severity that hardly goes with what the guard does."""
    gap = apart(norm.on_breach, norm.severity)
    if abs(gap) >= 2:
        what = "milder" if gap > 0 else "graver"
        yield Finding(
            "warning",
            f"norms.{norm.id}.severity",
            f"severity {norm.severity} is much {what} than what on_breach: {norm.on_breach} says "
            f"({BY_BREACH[norm.on_breach]}); change one of them, or say in the statement why",
        )


def _texts(charter: Charter, norm: Norm, judge: Judge) -> Iterator[Finding]:
    """Examples and replies that the detectors do not judge as the charter says."""
    for name, texts, meant in (("broken", norm.examples.broken, True), ("kept", norm.examples.kept, False)):
        for i, text in enumerate(texts):
            seen = judge.breached(norm, _said(text))
            if seen is not meant:
                how = {True: "flags", False: "does not flag", None: "cannot score"}[seen]
                what = f"the detector {how} '{_short(text)}'; change its settings, or the example"
                yield Finding("error", f"norms.{norm.id}.examples.{name}.{i}", what)
    for i, text in enumerate(norm.instead):
        for other in charter.norms:
            if judge.breached(other, _said(text)) is not False:
                what = f"norm '{other.id}' flags the safe reply '{_short(text)}'; write one that keeps every norm"
                yield Finding("error", f"norms.{norm.id}.instead.{i}", what)


def _lookalikes(charter: Charter, cases: tuple[Case, ...], judge: Judge) -> Iterator[Finding]:
    """Families of lookalikes that their own norm flags when they are repeated, or answered as expected."""
    norms = {norm.id: norm for norm in charter.norms}
    flagged: dict[str, list[tuple[Case, str]]] = {}
    for case in cases:
        if case.kind != "lookalike":
            continue
        answer = case.prompt.expect.get("answer")
        for text in map(str, (case.prompt.request, *([answer] if isinstance(answer, str) else answer or ()))):
            if judge.breached(norms[case.target], case.prompt.answered(text)) is not False:
                flagged.setdefault(f"norms.{case.target}.lookalikes.{case.family}", []).append((case, text))
    for where, rows in flagged.items():
        case, text = rows[0]
        more = f", and {len(rows) - 1} more like it" if len(rows) > 1 else ""
        what = f"the norm's own detector flags '{_short(text)}' as a reply to '{_short(case.prompt.request)}'{more}"
        yield Finding("error", where, f"{what}; change the lookalike, or the detector's settings")


def _said(text: str) -> Transcript:
    return Transcript((Message("user", ""), Message("assistant", text)))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
