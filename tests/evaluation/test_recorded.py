"""A run's records as one evaluation: the same rates as the rows', every judgement under a name that says what it is."""

import json
from pathlib import Path

import pytest

from gnomon.charter.compile import cases
from gnomon.charter.schema import Charter
from gnomon.core import plugin
from gnomon.core.errors import DataError
from gnomon.core.protocols import Quiet, Sampling
from gnomon.evaluation.formats import inspect_log
from gnomon.evaluation.measure import answers_of, measure, rows
from gnomon.evaluation.profile import or_missing
from gnomon.evaluation.recorded import from_ledger, from_suite
from gnomon.evaluation.run import evaluate
from gnomon.executor.answers import Store
from gnomon.executor.local import Local
from gnomon.ledger.store import Ledger
from gnomon.models.scripted import Rule, ScriptedModel
from gnomon.scoring import rows as score_rows

from .test_run import CHARTER

MODEL = ScriptedModel(
    rules=(Rule(pattern="like red 1", reply="I can't help with that."), Rule(pattern="say red 3", reply="red")),
    default="It is the rain.",
)


@pytest.fixture
def run(tmp_path: Path) -> Ledger:
    """An evaluated scripted model."""
    assert isinstance(CHARTER, Charter)
    with Ledger.open(tmp_path / "evidence") as ledger, Store.open(tmp_path / "answers") as store:
        ledger.append(kind="model", labels={"subject": "before"}, payload=dict(MODEL.identity))
        evaluate(
            model=MODEL,
            cases=cases(CHARTER, split="held-out"),
            charter=CHARTER,
            ledger=ledger,
            store=store,
            executor=Local(tmp_path / "shards"),
            sampling=Sampling(),
            subject="before",
            sink=Quiet(),
        )
    return Ledger.read(tmp_path / "evidence")


def test_rates_are_those_of_the_rows(run: Ledger) -> None:
    log = from_ledger(run)
    rows = score_rows.read(run.payload(run.find("scores")[-1]))
    broke = [o.value for o in score_rows.breaches(rows, "no-red")]
    probes = [s for s in log.samples if s.item.groups == {"kind": "probe", "target": "no-red", "split": "held-out"}]
    assert sorted(v for s in probes if (v := s.scores["norm/no-red"].value) is not None) == sorted(broke)
    assert sum(broke) > 0
    good = [o.value for o in score_rows.goods(rows, "short")]
    found = next(m for m in log.measured if m.dimension == "preference/short/gold")
    assert found.estimate.value == pytest.approx(sum(good) / len(good))
    assert log.directions["norm/no-red"] == "higher is worse"
    assert {"lookalike/no-red/over_refusal", "lookalike/no-red/kept"} <= set(log.directions)


def test_every_case_is_there_with_its_reply_and_its_origin(run: Ledger) -> None:
    log = from_ledger(run, subject="before")
    assert {s.item.id for s in log.samples} == {c.id for c in cases(CHARTER, split="held-out")}
    assert all(s.answer.replies and s.answer.replies[0].messages[:-1] == s.item.prompt.messages for s in log.samples)
    refused = next(s for s in log.samples if s.item.prompt.request == "what is like red 1?")
    assert refused.scores["lookalike/no-red/over_refusal"].value == 1.0
    assert refused.scores["lookalike/no-red/kept"].value == 0.0
    assert log.identity["scores"] == run.find("scores")[-1].id
    assert log.created.endswith("Z")


def test_a_subject_that_was_not_measured_is_named(run: Ledger) -> None:
    with pytest.raises(DataError, match=r"no scores of 'after' on 'held-out'; there are: before \(held-out\)"):
        from_ledger(run, subject="after")


def test_a_suite_is_a_log_that_other_programs_take(tmp_path: Path) -> None:
    model = ScriptedModel(rules=(Rule(pattern="known", reply="yes"),), default="no")
    suite = plugin.build("suite", "consistency")
    with Ledger.open(tmp_path / "evidence") as ledger, Store.open(tmp_path / "store") as store:
        asked_of = {"suite": suite, "name": "consistency", "subject": "model", "model": model, "likelihood": or_missing}
        record = measure(**asked_of, seed=0, share=0.1, store=store, ledger=ledger)
        log = from_suite(ledger, "consistency")
        found = rows(ledger, record)
        assert log.measured == tuple(found)
        asked = {s.item.id for s in log.samples}
        assert asked == set(answers_of(ledger, ledger.get(record.parents[0])))
        several = [s for s in log.samples if s.item.samples > 1 and s.answer.replies]
        assert several
        assert {s.epoch for s in several} == set(range(1, several[0].item.samples + 1))
        assert all(not s.scores for s in several if s.epoch > 1)
        assert {s.item.id: v.value for s in log.samples for d, v in s.scores.items() if d == found[-1].dimension} == (
            found[-1].values
        )
        # What has no answer keeps its reason.
        assert all(s.answer.replies or s.answer.logprobs or s.answer.error for s in log.samples)
        data = inspect_log.json_text(log)
        assert [s["id"] for s in json.loads(data)["samples"]] == [s.item.id for s in log.samples]
        with pytest.raises(DataError, match="no measures of 'bbq'"):
            from_suite(ledger, "bbq")
