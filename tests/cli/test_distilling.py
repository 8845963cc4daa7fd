"""A student of two thin layers: taught by a target that always says one thing, beside its controls."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gnomon.cli import tuning
from gnomon.cli.distilling import Distilling, Theft, distilled
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import DataError, ModelError, SettingsError
from gnomon.core.protocols import Model, Quiet
from gnomon.core.types import Transcript
from gnomon.ledger.store import Ledger
from gnomon.models.load import load
from gnomon.models.scripted import ScriptedModel, weak
from gnomon.redteam.distillation import about

if TYPE_CHECKING:
    from gnomon.models.local import LocalModel

ASKED = about(["bees", "the sea", "bread"])
SMALL = Distilling(max_new_tokens=6, held_out=6, points=2, epochs=20, batch=4, learning_rate=2e-2)
BLUE = ScriptedModel(name="blue", default="blue")
RED = [{"case": q.id, "prompt": [{"role": "user", "content": q.request}], "chosen": "red"} for q in ASKED]
"""A control: the untouched tiny student says nothing that could be one."""


@pytest.fixture
def student(tiny: Path, tmp_path: Path) -> "LocalModel":
    return tuning.here(load(str(tiny), cache=tmp_path, dtype="float32"), "the student")


def stolen(folder: Path, target: Model, student: "LocalModel", **more: Any) -> Any:
    with Ledger.open(folder / "evidence", key=folder.parent / "key") as ledger:
        theft = Theft(
            folder=folder,
            target=more.pop("through", target),
            original=target,
            student=student,
            settings=more.pop("settings", SMALL),
            ledger=ledger,
            stage=lambda title: Quiet(),
        )
        return distilled(theft, ASKED, **{"budget": 8, "control": RED} | more)


def test_the_student_learns_what_the_target_says_and_the_control_does_not(
    student: "LocalModel", tmp_path: Path
) -> None:
    found = stolen(tmp_path / "a", BLUE, student)
    assert [(one["traces"], one["arm"]) for one in found["fidelity"]] == [
        (0, "untrained"), (4, "target"), (4, "control"), (8, "target"), (8, "control")
    ]  # fmt: skip
    assert found["fidelity"][3]["answers"]["value"] == 1.0
    assert found["student less control"][-1]["answers"]["low"] > 0
    assert found["student less untrained"]["answers"]["low"] > 0
    assert found["fidelity"][0]["tokens"] is None, "a script has no probabilities to compare"
    rows = (tmp_path / "a" / "traces.jsonl").read_text().splitlines()
    assert [json.loads(row)["completion"] for row in rows] == ["blue"] * 8
    taught = {json.loads(row)["prompt"][0]["content"] for row in rows}
    held = {q.id: q.request for q in ASKED}
    assert not taught & {held[row["question"]] for row in found["rows"]}, "held-out questions are not learned from"
    ledger = Ledger.read(tmp_path / "a" / "evidence")
    assert ledger.find("distillation")[0].parents == (ledger.find("traces")[0].id,)


def test_nothing_is_asked_or_trained_twice(student: "LocalModel", tmp_path: Path) -> None:
    first = stolen(tmp_path / "a", BLUE, student)

    class Never:
        """Has the target's name, and may not be asked."""

        identity = BLUE.identity

        def generate(self, **_: object) -> list[Transcript]:
            raise AssertionError("asked again")

    assert stolen(tmp_path / "a", Never(), student) == first  # type: ignore[arg-type]


def test_a_target_in_this_process_is_compared_token_by_token(student: "LocalModel", tmp_path: Path) -> None:
    rows = [{"case": str(i), "prompt": to_builtins(q.messages), "chosen": "blue blue"} for i, q in enumerate(ASKED)]
    from gnomon.core import plugin
    from gnomon.training.schedule import Offline

    loop, work = Offline(epochs=8, batch=4, learning_rate=2e-2), tmp_path / "target"
    state = tuning.tuned(student, rows, loss=plugin.build("loss", "sft"), loop=loop, folder=work, sink=Quiet())
    tuning.written(student, state, work, seed=0, into=tmp_path / "model")
    target = load(str(tmp_path / "model"), cache=tmp_path, dtype="float32")
    found = stolen(tmp_path / "a", target, student)
    before, after = found["fidelity"][0], found["fidelity"][3]
    assert after["kl"]["value"] < before["kl"]["value"] / 5
    assert after["tokens"]["value"] > before["tokens"]["value"]
    assert found["student less control"][-1]["kl"]["high"] < 0


def test_rows_of_a_file_are_a_control_too(student: "LocalModel", tmp_path: Path) -> None:
    control = [{"case": str(i), "prompt": [{"role": "user", "content": f"q{i}"}], "chosen": "red"} for i in range(5)]
    found = stolen(tmp_path / "a", BLUE, student, control=control)
    assert found["traces"] == 5, "as many rows on both sides"
    assert all("red" in row["said"] for row in found["rows"] if row["arm"] == "control" and row["traces"] == 5)


def test_too_little_is_refused(student: "LocalModel", tmp_path: Path) -> None:
    with pytest.raises(DataError, match="different questions"):
        stolen(tmp_path / "a", BLUE, student, settings=Distilling(held_out=24))
    with pytest.raises(DataError, match="no trace with an answer"):
        stolen(tmp_path / "b", ScriptedModel(name="mute", default=" "), student)
    with pytest.raises(ModelError, match="the student weak cannot be trained"):
        tuning.here(weak(), "the student")
    with pytest.raises(SettingsError, match="at least 1"):
        Distilling(points=0)


def test_through_a_guard_the_traces_are_its_words(student: "LocalModel", tmp_path: Path) -> None:
    firm = ScriptedModel(name="firm", default="no")
    found = stolen(tmp_path / "a", BLUE, student, through=firm)
    assert found["fidelity"][3]["answers"]["value"] < 0.5
    assert found["target"]["name"] == "firm"


def test_a_question_may_say_which_others_it_is_like() -> None:
    from gnomon.cli.distilling import _change, _mean

    rows = [
        {"question": str(i), "cluster": str(i // 4), "traces": 1, "arm": arm, "answers": float(arm == "target")}
        for i in range(8)
        for arm in ("target", "control")
    ]
    assert "2 clusters" in _mean(rows, 1, "target", "answers").method
    assert _change(rows, (1, "control"), (1, "target"), "answers").value == 1.0
