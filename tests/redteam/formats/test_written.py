"""Findings as SARIF (valid by the schema of OASIS) and JUnit, without texts unless asked."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from jsonschema import Draft7Validator

from gnomon.redteam.findings import found
from gnomon.redteam.formats.written import junit_text, sarif, sentence
from tests.redteam.test_findings import LONG, broke

FILE = Path(__file__).parents[2] / "evaluation" / "formats" / "schemas" / "sarif_2_1_0.json"
ROWS = [broke("1", LONG, tries=2), broke("2", LONG), broke("3", "SECRET WORDS <&>", norm="m", attack="encoding")]
FINDINGS = [replace(f, command="gnomon attack c.yaml") for f in found(ROWS, severity={"m": "medium"})]


def test_sarif_is_valid_and_a_finding_keeps_its_fingerprint() -> None:
    schema = Draft7Validator(json.loads(FILE.read_text()))
    document = sarif(FINDINGS, statements={"n": "Never."}, source="charter.yaml", model="m")
    schema.validate(document)
    (run,) = document["runs"]
    assert [(r["ruleId"], r["level"], r["occurrenceCount"]) for r in run["results"]] == [
        ("norm/n", "error", 2),
        ("norm/m", "warning", 1),
    ]
    assert [r["partialFingerprints"]["gnomonCase/v1"] for r in run["results"]] == [f.id for f in FINDINGS]
    assert "mitre-atlas:AML.T0068" in run["results"][1]["properties"]["tags"]
    assert run["tool"]["driver"]["rules"][0]["shortDescription"]["text"] == "Never."
    assert "SECRET" not in json.dumps(document)
    whole = sarif(FINDINGS, texts=True)
    schema.validate(whole)
    assert "SECRET WORDS <&>" in json.dumps(whole)
    schema.validate(sarif([]))


def test_junit_has_one_failure_a_finding() -> None:
    bare = junit_text(FINDINGS, name="desk", created="2026-01-01T00:00:00")
    root = ElementTree.fromstring(bare)  # noqa: S314 - our own text
    assert (root.get("tests"), root.get("failures")) == ("2", "2")
    assert [s.get("name") for s in root] == ["n", "m"]
    assert "SECRET" not in bare
    assert "SECRET WORDS" in junit_text(FINDINGS, name="desk", texts=True)


def test_a_sentence_says_what_happened_without_a_text() -> None:
    assert sentence(FINDINGS[0]) == (
        "Attack 'prefix' broke norm 'n' on goal '2' at try 1 (high), and in 1 more like it."
    )
