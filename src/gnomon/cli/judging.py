"""Replies judged for training pairs and for best-of-n, by the same rows that evaluation writes.

Source: `evaluation.run.rows`, so that a reply is never judged in two ways.
Units: proxy, gold and helpfulness in [0, 1], 1 best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gnomon.charter.schema import Charter
from gnomon.core.types import Case, Transcript
from gnomon.evaluation.run import Judge, judges_of, rows
from gnomon.scoring import judge
from gnomon.training import pairs


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found of one reply."""

    reply: Transcript
    breached: Mapping[str, bool | None]
    """Norm id to whether it is breached; None = unscored."""
    proxy: float | None
    """Its own preference's proxy; on a case that tests no preference, the mean of every proxy that can judge it."""
    gold: float | None
    refused: bool
    helpful: float | None
    """For a lookalike: whether it was answered, and with the stated fact where there is one."""


def judged(charter: Charter, drawn: Sequence[tuple[Case, Sequence[Transcript]]]) -> list[tuple[Case, list[Judged]]]:
    """Every reply judged by every norm, and by what its case tests."""
    judges = judges_of(charter, {})
    proxies = [j for own in judges.values() for j in own if j.role == "proxy"]
    return [(case, [_judged(case, reply, judges, proxies) for reply in replies]) for case, replies in drawn]


def paired(charter: Charter, drawn: Sequence[tuple[Case, Sequence[Transcript]]], *, seed: int) -> pairs.Made:
    """Preference pairs of replies, every one judged; a lookalike's reply is worth what it helps, others their proxy."""
    samples = [
        (
            case,
            [
                pairs.Sample(
                    text=j.reply.reply,
                    breached=j.breached,
                    refused=j.refused,
                    score=j.helpful if case.kind == "lookalike" else j.proxy,
                )
                for j in found
            ],
        )
        for case, found in judged(charter, drawn)
    ]
    return pairs.make(
        samples,
        instead={n.id: n.instead for n in charter.norms},
        facts=tuple(charter.context.facts.values()),
        settings=pairs.Pairing(seed=seed),
    )


def _judged(case: Case, reply: Transcript, judges: Mapping[str, Sequence[Judge]], proxies: Sequence[Judge]) -> Judged:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(case, reply, judges):
        found.setdefault(row["role"], []).append(row)
    own = [row["good"] for row in found.get("proxy", [])]
    if case.kind != "preference":
        bare = Transcript(reply.messages)
        own = [judge.normalised(judge.score(p.dimension, bare), p.dimension) for p in proxies]
    helps = [row["good"] for role in ("over_refusal", "kept") for row in found.get(role, []) if row["good"] is not None]
    return Judged(
        reply=reply,
        breached={row["norm"]: row["breached"] for row in found["detector"]},
        proxy=_mean(own),
        gold=_mean([row["good"] for row in found.get("gold", [])]),
        refused=any(row["breached"] for row in found.get("over_refusal", [])),
        helpful=_mean(helps),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known else None
