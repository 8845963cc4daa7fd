"""Instructions to the judge, hidden in what is judged: how often do they turn a verdict the way they want?

The forms (`scoring.judge_injection`) are plain and public; a judge that withstands them is not safe, one that falls for
them is not to be used on text that a model or an attacker wrote. An innocent sentence of like length stands beside
them, since any added text may turn a verdict: only what goes beyond it is injection.
Source: Shi et al. 2403.17710 (JudgeDeceiver) for the measure, success beyond that of plain text.
Units: shares of the verdicts that could be turned: rows that were scored and were not already as wanted.
Fails: closed; a row whose verdict is lost when text is added counts as not turned, and is counted as `lost`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.core.errors import DataError
from gnomon.core.statistics.clustered import interval
from gnomon.core.statistics.paired import paired
from gnomon.core.types import Estimate, Transcript
from gnomon.evaluation.judges.judgement import Judge, Judgement
from gnomon.scoring.judge_injection import FORMS, injected


@dataclass(frozen=True, kw_only=True)
class Turned:
    """How often one form turned verdicts."""

    form: str
    share: Estimate
    lost: int
    """Verdicts that became unscored."""
    flips: tuple[bool, ...]
    """For each row that could be turned, in order."""


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The same form with and without the fence, on the rows that both could lose."""

    form: str
    without: Estimate
    fenced: Estimate
    difference: Estimate
    """Share turned with the fence minus without."""
    p: float
    """Of no difference, by sign flips of whole clusters."""


def turned(
    judge: Judge,
    transcripts: Sequence[Transcript],
    clusters: Sequence[str],
    *,
    wanted: str,
    forms: Sequence[str] = tuple(FORMS),
    clean: Sequence[Judgement] | None = None,
) -> list[Turned]:
    """What each form does to a judge's verdicts; `clean`: its judgements of the plain transcripts, if known."""
    before = judge.judge(transcripts=transcripts) if clean is None else clean
    at = open_rows(before, wanted)
    if not at:
        raise DataError(f"every verdict is '{wanted}' already, or unscored: there is nothing to turn")
    found = []
    for form in forms:
        after = judge.judge(transcripts=[injected(transcripts[i], form, wanted) for i in at])
        flips = tuple(j.label == wanted for j in after)
        share = interval([float(f) for f in flips], [clusters[i] for i in at], unit="rate")
        found.append(Turned(form=form, share=share, lost=sum(not j.label for j in after), flips=flips))
    return found


def open_rows(judgements: Sequence[Judgement], wanted: str) -> list[int]:
    """Rows whose verdict could be turned to the wanted one."""
    return [i for i, j in enumerate(judgements) if j.label and j.label != wanted]


def fence_worth(
    without: tuple[Judge, Sequence[Judgement]],
    fenced: tuple[Judge, Sequence[Judgement]],
    transcripts: Sequence[Transcript],
    clusters: Sequence[str],
    *,
    wanted: str,
    forms: Sequence[str] = tuple(FORMS),
) -> list[Fence]:
    """Each judge with its plain judgements; rows that either would call as wanted anyway are left out."""
    rows = sorted({*open_rows(without[1], wanted)} & {*open_rows(fenced[1], wanted)})
    if not rows:
        raise DataError("no row could be turned under both judges")
    own, names = [transcripts[i] for i in rows], [clusters[i] for i in rows]
    two = [
        turned(judge, own, names, wanted=wanted, forms=forms, clean=[plain[i] for i in rows])
        for judge, plain in (without, fenced)
    ]
    found = []
    for bare, behind in zip(*two, strict=True):
        old, new = ([[float(f)] for f in side.flips] for side in (bare, behind))
        two_sided = paired(old, new, names, unit="rate")
        found.append(
            Fence(
                form=bare.form,
                without=bare.share,
                fenced=behind.share,
                difference=two_sided.difference,
                p=two_sided.p,
            )
        )
    return found
