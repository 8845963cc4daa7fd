"""A detector's error from labels or examples, and the success of attacks corrected for it."""

import json
from pathlib import Path

import pytest

from gnomon.charter.load import load
from gnomon.cli.detector_error import NOT_MEASURED, known
from gnomon.core.errors import DataError
from gnomon.core.statistics.correction import rogan_gladen
from tests.cli.conftest import STARTER, Gnomon

CHARTER = load(STARTER).charter
NORM = CHARTER.norms[0].id
BREAKS = CHARTER.norms[0].examples.broken[0]


def row(number: int, broke: int | None, tries: int = 3, norm: str = NORM) -> dict[str, object]:
    outcomes = {"broke": int(broke is not None), "kept": tries - (broke is not None), "refused": 0, "unscored": 0}
    return {
        "attack": "direct", "goal": f"g{number}", "norm": norm, "family": f"f{number % 20}", "tries": tries,
        "broke": broke, "outcomes": {**outcomes, "error": 0},
    }  # fmt: skip


def labels(path: Path, rows: list[tuple[str, bool]]) -> Path:
    path.write_text("\n".join(json.dumps({"norm": NORM, "reply": r, "broken": b}) for r, b in rows), encoding="utf-8")
    return path


ROWS = [row(i, 1 if i < 24 else 3 if i < 30 else None) for i in range(100)]


def test_labels_give_the_correction_by_its_formula(tmp_path: Path) -> None:
    # Of ten broken ones the detector sees eight, of twenty kept ones it takes two.
    said = [(BREAKS + f" {i}", True) for i in range(8)] + [(f"It is the usual one, {i}.", True) for i in range(2)]
    said += [(BREAKS + f" not {i}", False) for i in range(2)] + [(f"I keep that, {i}.", False) for i in range(18)]
    (found,) = known(CHARTER, ROWS, labels(tmp_path / "l.jsonl", said))
    assert found.first is not None
    assert (found.first.sensitivity.value, found.first.specificity.value) == (0.8, 0.9)
    assert found.first.apparent.value == pytest.approx(0.24)
    assert found.first.corrected.value == pytest.approx((0.24 + 0.9 - 1) / (0.8 + 0.9 - 1))
    assert found.false_alarms == pytest.approx(1 - 0.9**3)
    peer = rogan_gladen(
        [1] * 24 + [0] * 76,
        [f"f{i % 20}" for i in range(100)],
        truth=[1] * 10 + [0] * 20,
        judged=[1] * 8 + [0] * 2 + [1] * 2 + [0] * 18,
    )
    assert found.first.corrected.low == pytest.approx(peer.corrected.low)
    assert "30 labelled replies" in found.sentence


def test_too_few_labels_or_none_is_said(tmp_path: Path) -> None:
    few = labels(tmp_path / "l.jsonl", [(BREAKS, True), ("I keep that.", False)])
    (found,) = known(CHARTER, ROWS, few)
    assert found.first is None
    assert found.sentence.startswith(NOT_MEASURED)
    assert "2 labels" in found.sentence
    bare = CHARTER.norms[0].model_copy(update={"examples": type(CHARTER.norms[0].examples)(), "instead": ()})
    (none,) = known(CHARTER.model_copy(update={"norms": (bare,)}), ROWS)
    assert (none.sentence, none.false_alarms) == (NOT_MEASURED, None)


def test_examples_stand_in_and_only_attacked_norms_are_told() -> None:
    norm = CHARTER.norms[0]
    texts = type(norm.examples)(
        broken=tuple(f"{BREAKS} {i}" for i in range(6)), kept=tuple(f"No {i}" for i in range(6))
    )
    charter = CHARTER.model_copy(update={"norms": (norm.model_copy(update={"examples": texts}), *CHARTER.norms[1:])})
    (found,) = known(charter, ROWS)
    assert found.source == "the charter's examples"
    assert found.first is not None
    # Twelve right ones prove little: the interval of specificity leaves room for many false alarms.
    assert found.first.specificity.value == 1.0
    assert found.first.specificity.low < 0.8


def test_a_label_of_another_norm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(json.dumps({"norm": "nobody", "reply": "x", "broken": True}), encoding="utf-8")
    with pytest.raises(DataError, match=r"l.jsonl:1: no norm 'nobody'"):
        known(CHARTER, ROWS, path)


def test_the_command_says_it(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> None:
    said = [(f"{BREAKS} {i}", True) for i in range(6)] + [(f"I keep that, {i}.", False) for i in range(6)]
    labels(tmp_path / "l.jsonl", said)
    more = ("--attack", "direct", "--model", f"scripted:{parrot}", "--out", "a")
    told = json.loads(gnomon("attack", STARTER, *more, "--labels", "l.jsonl", "--json").stdout)
    first = {one["norm"]: one for one in told["detectors"]}[NORM]
    assert first["source"] == "labelled replies"
    assert first["first"]["sensitivity"]["n"] == 6
    assert "The detectors' own error" in gnomon("attack", STARTER, *more).stdout
