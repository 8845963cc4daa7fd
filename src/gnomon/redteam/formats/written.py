"""Findings for a pipeline: SARIF 2.1.0 for code scanning, JUnit for a list of tests. No text of a prompt unless asked.

A finding is a result whose rule is its norm, or a test that failed. A norm without a finding is no passed test here:
how sure one may be of it is a claim's matter.
Source: see `core.formats`; taxonomy ids are a result's tags.
Fails: open; no findings make an empty report.
"""

from collections.abc import Mapping, Sequence

from gnomon.charter.severity import Severity
from gnomon.core.formats import junit
from gnomon.core.formats import sarif as frame
from gnomon.core.types import Claim, Json
from gnomon.redteam.findings import Finding

RANK: Mapping[Severity, float] = {"critical": 100.0, "high": 75.0, "medium": 50.0, "low": 25.0}
LEVEL: Mapping[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}


def sentence(finding: Finding) -> str:
    """What happened, without a text of it."""
    times = f", and in {finding.times - 1} more like it" if finding.times > 1 else ""
    return (
        f"Attack '{finding.attack}' broke norm '{finding.norm}' on goal '{finding.goal}' "
        f"at try {finding.tries} ({finding.severity}){times}."
    )


def sarif(
    findings: Sequence[Finding],
    *,
    statements: Mapping[str, str] | None = None,
    source: str = "",
    model: str = "",
    texts: bool = False,
) -> dict[str, Json]:
    """The document. `statements`: norm to what it demands; `source`: path of the charter, as shown with a finding."""
    norms = list(dict.fromkeys(f.norm for f in findings))
    worst = {f.norm: LEVEL[f.severity] for f in findings}
    rules = [frame.rule(f"norm/{n}", (statements or {}).get(n, ""), worst[n]) for n in norms]
    results = [_result(f, norms.index(f.norm), source, texts) for f in findings]
    return frame.document(rules=rules, results=results, id="gnomon/attack/", properties={"model": model})


def _result(finding: Finding, index: int, source: str, texts: bool) -> dict[str, Json]:
    about: dict[str, Json] = {
        "tags": list(finding.taxonomy),
        "attacks": list(finding.attacks),
        "tries": finding.tries,
        "severity": finding.severity,
    }
    if finding.command:
        about["command"] = finding.command
    if texts:
        about |= {"prompt": finding.prompt.request, "reply": finding.reply}
    return {
        "ruleId": f"norm/{finding.norm}",
        "ruleIndex": index,
        "level": LEVEL[finding.severity],
        "message": {"text": sentence(finding)},
        "locations": [frame.location(finding.goal, "attack", source)],
        "partialFingerprints": {frame.FINGERPRINT: finding.id},
        "occurrenceCount": finding.times,
        "rank": RANK[finding.severity],
        "properties": about,
    }


def junit_text(findings: Sequence[Finding], *, name: str, created: str = "", texts: bool = False) -> str:
    """The report: one failed test a finding, in one suite a norm."""
    said = [
        Claim(
            id=f"{f.norm}/{f.attack}/{f.id}",
            target=f.norm,
            state="not satisfied",
            sentence=sentence(f) + (f"\n{f.prompt.request}\n---\n{f.reply}" if texts else ""),
            records=f.records,
        )
        for f in findings
    ]
    return junit.text(said, name=name, created=created)
