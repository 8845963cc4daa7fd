"""Records of a suite, and the same estimates from the records alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gnomon.core.errors import DataError, IntegrityError, SettingsError
from gnomon.core.statistics.clustered import rate
from gnomon.core.types import Message, Record, Transcript
from gnomon.evaluation import measure as module
from gnomon.evaluation.items import Answer, Item, Measured
from gnomon.evaluation.measure import answers_of, measure, recomputed, rows, sampling_of, thinned
from gnomon.executor.answers import Store
from gnomon.ledger import verify_gnomon
from gnomon.ledger.layout import answers_path
from gnomon.ledger.store import Ledger
from gnomon.ledger.verify import failures, verify
from gnomon.models.scripted import Rule, ScriptedModel


@dataclass(frozen=True)
class Polite:
    """A suite of our own: half of the questions are thanked for."""

    count: int = 20

    def items(self, *, seed: int) -> Sequence[Item]:
        texts = [f"question {n}{', please' if n % 2 else ''}" for n in range(self.count)]
        return [Item(id=t, cluster=t[:11], prompt=Transcript((Message("user", t),))) for t in texts]

    def measured(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Measured]:
        good = [float("thank" in answers[i.id].replies[0].reply) for i in items]
        estimate = rate(good, [i.cluster for i in items])
        return [Measured(dimension="helpfulness/polite", estimate=estimate, direction="higher is better")]


MODEL = ScriptedModel(rules=(Rule(pattern="please", reply="thank you"),), default="no")


def measured(folder: Path, ledger: Ledger, suite: Polite) -> Record:
    with Store.open(folder / "store") as store:
        return measure(suite=suite, name="polite", subject="before", model=MODEL, seed=0, store=store, ledger=ledger)


@pytest.mark.parametrize("inline", [10**9, 0], ids=["payload", "file"])
def test_estimates_come_again_from_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: int) -> None:
    monkeypatch.setattr(module, "INLINE", inline)
    with Ledger.open(tmp_path / "evidence") as ledger:
        record = measured(tmp_path, ledger, Polite())
        (found,) = rows(ledger, record)
        assert (found.estimate.value, found.estimate.n) == (0.5, 20)
        answers = ledger.get(record.parents[0])
        assert (answers.kind, answers.labels) == ("answers", {"subject": "before", "suite": "polite"})
        payload = ledger.payload(answers)
        assert (payload["answers"], payload["errors"]) == (20, 0)
        assert ("file" in payload) == (inline == 0)
        assert recomputed(Polite(), ledger, record) == [found]
        assert measured(tmp_path, ledger, Polite()).id == record.id, "a second run adds nothing"
    assert not failures(verify(tmp_path / "evidence"))
    assert not verify_gnomon.check(tmp_path / "evidence", None, None)[0]
    assert not list((tmp_path / "evidence" / "answers").glob(".*"))


def test_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "evidence") as ledger:
        (ledger.folder / "answers").mkdir()
        (ledger.folder / "answers" / ".x.draft").write_text("half")
        measured(tmp_path, ledger, Polite())
        assert list((ledger.folder / "answers").iterdir()) == []


def test_a_file_that_was_changed_or_is_gone_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INLINE", 0)
    with Ledger.open(tmp_path / "evidence") as ledger:
        answers = ledger.get(measured(tmp_path, ledger, Polite()).parents[0])
        path = ledger.folder / answers_path(ledger.payload(answers)["file"])
        path.write_bytes(path.read_bytes().replace(b"thank you", b"thank me!"))
        for word in ("changed", "missing"):
            with pytest.raises(IntegrityError, match=word):
                answers_of(ledger, answers)
            assert [word in f.message for f in failures(verify(ledger.folder))] == [True]
            assert [word in text for text in verify_gnomon.check(ledger.folder, None, None)[0]] == [True]
            path.unlink(missing_ok=True)


@pytest.mark.parametrize("file", [7, "../../etc/passwd", "x" * 64])
def test_a_signed_record_that_names_no_digest_is_a_finding(tmp_path: Path, file: object) -> None:
    with Ledger.open(tmp_path / "evidence") as ledger:
        ledger.append(kind="answers", payload={"file": file})
    assert "which file" in failures(verify(tmp_path / "evidence"))[0].message
    assert "which file" in verify_gnomon.check(tmp_path / "evidence", None, None)[0][0]


def test_other_items_are_not_taken_for_those_that_were_asked(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "evidence") as ledger:
        record = measured(tmp_path, ledger, Polite())
        with pytest.raises(DataError, match="other items"):
            recomputed(replace(Polite(), count=21), ledger, record)


@dataclass(frozen=True)
class Twice:
    """A suite that asks again, and says how it wants to be answered."""

    max_new_tokens: int = 7
    temperature: float = 0.5

    def items(self, *, seed: int) -> Sequence[Item]:
        return Polite(4).items(seed=seed)

    def follow(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Item]:
        done = {i.id for i in items}
        again = [(i, answers[i.id].replies[0]) for i in items if not i.id.startswith("again")]
        found = [
            Item(
                id=f"again {i.id}",
                cluster=i.cluster,
                prompt=Transcript((*r.messages, Message("user", "Sure, please?"))),
            )
            for i, r in again
        ]
        return [f for f in found if f.id not in done]

    def measured(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Measured]:
        return Polite().measured(items=[i for i in items if i.id.startswith("again")], answers=answers)


def test_what_follows_is_asked_with_what_was_said_before(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "evidence") as ledger, Store.open(tmp_path / "store") as store:
        record = measure(suite=Twice(), name="t", subject="s", model=MODEL, seed=3, store=store, ledger=ledger)
        (found,) = rows(ledger, record)
        assert (found.estimate.value, found.estimate.n) == (1.0, 4)
        given = answers_of(ledger, ledger.get(record.parents[0]))
        assert [m.content for m in given["again question 0"].replies[0].messages] == [
            "question 0",
            "no",
            "Sure, please?",
            "thank you",
        ]
        assert recomputed(Twice(), ledger, record) == [found]
        payload = ledger.payload(ledger.get(record.parents[0]))
        assert payload["settings"] == {"max_new_tokens": 7, "temperature": 0.5}
        assert sampling_of(Twice(), 3).max_new_tokens == payload["sampling"]["max_new_tokens"] == 7


def test_a_share_of_the_clusters_is_spread_over_their_order_and_whole() -> None:
    items = [Item(id=f"{c}{n}", cluster=f"{c}", prompt=Transcript(())) for c in range(10) for n in range(2)]
    assert [i.id for i in thinned(items, 0.3)] == ["30", "31", "60", "61", "90", "91"]
    assert thinned(items, 1) == items
    assert [i.cluster for i in thinned(items, 0.001)] == ["0", "0"]
    with pytest.raises(SettingsError, match="share is 0"):
        thinned(items, 0)
