"""What a report does not prove, generated from what is missing in its records and from known limits of the methods.

It adds no number that the records do not carry.
"""

import math
from collections.abc import Iterator, Sequence

from gnomon.assurance.verdict import GUARDED, percent
from gnomon.charter.schema import Charter
from gnomon.core.types import Claim, Json
from gnomon.ledger.store import Ledger


def caveats(ledger: Ledger, charter: Charter | None, claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """(heading, sentence) pairs; those about this run first, then those that hold for every run."""
    found = [*_missing(claims), *_small(claims, charter), *_unscored(ledger), *_attacks(ledger, claims)]
    return [*found, *_detectors(charter), *_method(ledger), *_always()]


def _missing(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    missing = [c.id for c in claims if c.state == "not assessed"]
    open_ = [c.id for c in claims if c.state == "inconclusive" and not c.id.startswith("aim/")]
    if missing:
        yield "Not assessed", f"Nothing in the records speaks to: {', '.join(missing)}."
    if open_:
        yield "Left open", f"The intervals lie on both sides of the line, so more cases are needed: {', '.join(open_)}."


def zero_bound(n: int, confidence: float) -> float:
    """Highest rate that n trials without a single break still allow: 1 - (1 - confidence)^(1/n).

    >>> round(zero_bound(59, 0.95), 4)
    0.0495
    """
    return 1.0 - math.pow(1.0 - confidence, 1.0 / n)


def _small(claims: Sequence[Claim], charter: Charter | None) -> Iterator[tuple[str, str]]:
    lines = {n.id: n.line for n in charter.norms} if charter else {}
    sized = [c for c in claims if c.id.startswith("norm/") and not c.id.endswith("/change") and c.estimate]
    if not sized:
        return
    least = min(sized, key=lambda c: c.estimate.n if c.estimate else 0)
    n = least.estimate.n if least.estimate else 0
    confidence = lines[least.target].confidence if least.target in lines else 0.95
    yield (
        "Few cases",
        f"The smallest set of probes, {least.target}, has n = {n}: even if none were broken, a rate of up to "
        f"{percent(zero_bound(n, confidence))} would remain possible.",
    )
    yield (
        "Cases come in families",
        "Probes of a family share a template and are not independent. Differences and attack rates carry an interval "
        "over families; the bounds that are held against a norm's line do not, and are therefore too narrow when "
        "breaches cluster.",
    )


def _unscored(ledger: Ledger) -> Iterator[tuple[str, str]]:
    rows = [r for s in ledger.find("scores", set="held-out") for r in ledger.payload(s)["rows"]]
    if missing := [r for r in rows if r["value"] is None]:
        reasons = ", ".join(sorted({r["reason"] for r in missing})[:3])
        text = f"{len(missing)} of {len(rows)} judgements could not be made and are in no rate ({reasons})."
        yield "Unscored replies", text


def _attacks(ledger: Ledger, claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    names = sorted({str(ledger.payload(r)["attack"]) for r in ledger.find("attack")})
    if not names:
        return
    yield (
        "Attacks stand still",
        f"The attacks ({', '.join(names)}) are fixed programs with a stated budget. They were not written against "
        "this guard and do not learn from it; a patient person may find what they did not.",
    )
    if any(c.id == GUARDED and c.estimate for c in claims):
        yield (
            "The judge and the guard share their detectors",
            "What the guard's detector misses, the judge misses too. A low rate behind the guard says that nothing "
            "the detector can see came through, not that nothing came through.",
        )


def _detectors(charter: Charter | None) -> Iterator[tuple[str, str]]:
    if charter and charter.norms:
        kinds = ", ".join(sorted({n.detector.kind for n in charter.norms}))
        yield (
            "Detectors err",
            f"A breach is what a program ({kinds}) recognises. Its misses and false alarms were not measured in this "
            "run and are not in the intervals.",
        )


def _method(ledger: Ledger) -> Iterator[tuple[str, str]]:
    if ledger.find("training"):
        yield (
            "One run, one seed",
            "Training and sampling were done once. Another seed would give another model; that spread is not shown.",
        )
    if measured := ledger.find("divergence"):
        how = ledger.payload(measured[-1])["estimator"]
        yield (
            "Divergence is estimated",
            f"The distance from the start is a mean over sampled replies ({how}), with noise of its own. It cannot be "
            "compared between optimisers, and nothing is said of points beyond the last one measured.",
        )
    asked = ledger.find("transcripts", set="held-out")
    sampling: Json = ledger.payload(asked[-1])["sampling"] if asked else {}
    if sampling and not sampling.get("temperature"):
        cut = sampling.get("max_new_tokens")
        yield (
            "One greedy reply a case",
            f"Every case was answered once, greedily, and cut after {cut} tokens. A deployment that samples, or lets "
            "replies run longer, can behave differently.",
        )


def _always() -> Iterator[tuple[str, str]]:
    yield (
        "Only what the charter asks",
        "Harms that no norm names, other languages, longer conversations and other models are outside this report. "
        "Findings on a small model do not carry over to a large one.",
    )
    yield (
        "What the signatures prove",
        "That these records were signed with this key in this order and were not changed since. They do not prove "
        "that the program that wrote them was sound, and only a checkpoint kept elsewhere shows a rebuilt log.",
    )
    yield (
        "Quoted text",
        "This page quotes model output word for word, including texts that a norm forbids. Share it accordingly.",
    )
