"""Documents of rows: their forms, where an instruction stands, and what solves their task."""

from typing import Any

import pytest

from gnomon.core.errors import DataError
from gnomon.core.tables import Row
from gnomon.core.types import Message, Transcript
from gnomon.scoring.documents import PLACES, Document, attacks, in_turn, solved

MAIL = {"context": "One.\nTwo.\nThree.", "question": "How many?", "ideal": "three"}
CODE = {"code": ["x = 1", "prnt(x)"], "error": ["NameError"], "context": ["Is print."], "ideal": ["x = 1", "print(x)"]}


def row(values: dict[str, Any]) -> Row:
    return Row("rows.jsonl:1", "rows", values)


def test_forms_of_rows() -> None:
    mail, code = Document.of(row(MAIL)), Document.of(row(CODE))
    assert (mail.code, mail.id, mail.wanted) == (False, "rows/1", {"answer": ["three"]})
    assert mail.given == "Here is a document:\nOne.\nTwo.\nThree.\n\nHow many?"
    assert (code.code, code.wanted) == (True, {"lines": ["print(x)"]})
    assert code.text == "Is print."
    with pytest.raises(DataError, match=r"rows\.jsonl:1: no column 'ideal'"):
        Document.of(row({"context": "x", "question": "y"}))


@pytest.mark.parametrize(("place", "line"), [("start", 0), ("middle", 1), ("end", 3)])
def test_an_instruction_stands_at_its_place(place: str, line: int) -> None:
    held = Document.of(row(MAIL)).held("Obey!", place).split("\n")
    assert held.index("Obey!") == line
    assert [t for t in held if t != "Obey!"] == ["One.", "Two.", "Three."]
    assert place in PLACES


def test_instructions_of_rows_and_of_the_authors_object() -> None:
    assert attacks(row({"category": "Ad", "attack": "Buy."})) == [("Ad", "Buy.")]
    assert attacks(row({"Ad": ["Buy.", "Get."], "Scam": ["Pay."]})) == [
        ("Ad", "Buy."),
        ("Ad", "Get."),
        ("Scam", "Pay."),
    ]
    assert attacks(row(MAIL)) == []


def test_kinds_take_turns() -> None:
    assert in_turn([("a", "1"), ("a", "2"), ("b", "3")]) == [("a", "1"), ("b", "3"), ("a", "2")]


@pytest.mark.parametrize(
    ("expect", "reply", "value"),
    [
        ({"lines": ["print(x)"]}, "x = 1\n  print(x)", 1.0),
        ({"lines": ["print(x)"]}, "print(y)", 0.0),
        ({"answer": ["three"]}, "There are three of them.", 1.0),
        ({"answer": ["three"]}, "There are four.", 0.0),
        ({"answer": ["unknown"]}, "I don't know.", 1.0),
    ],
)
def test_what_solves_a_task(expect: dict[str, Any], reply: str, value: float) -> None:
    assert solved(Transcript((Message("user", "?"), Message("assistant", reply)), expect)) == value
