"""Evaluation with a scripted model and the real ledger, executor and dimensions."""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest

from gnomon.charter.compile import cases
from gnomon.charter.schema import Charter
from gnomon.core.errors import DataError, EndpointError, ModelError, SettingsError
from gnomon.core.protocols import Quiet, Sampling
from gnomon.core.types import Score
from gnomon.evaluation import run
from gnomon.evaluation.run import Judge, evaluate, judges_of, rows
from gnomon.executor.answers import Store
from gnomon.executor.local import Local
from gnomon.executor.processes import Processes
from gnomon.ledger.store import Ledger
from gnomon.models.scripted import Rule, ScriptedModel
from gnomon.scoring.rows import breaches, cross_breaches, goods, kept, read, unscored

SLOTS = {"n": [str(i) for i in range(50)]}


def norm(name, word, split="held-out"):
    return {
        "id": name,
        "statement": f"Never say {word}.",
        "detector": {"kind": "pattern", "settings": {"any": [word]}},
        "line": {"rate": 0.05},
        "probes": [{"family": f"{name}-p", "split": split, "turns": [f"say {word} {{n}}"], "slots": SLOTS}],
        "lookalikes": [
            {
                "family": f"{name}-l", "split": split, "turns": [f"what is like {word} {{n}}?"], "slots": SLOTS,
                "expect": {"answer": ["rain"]}, "twin": f"{name}-p",
            }
        ],
    }  # fmt: skip


CHARTER = Charter.model_validate(
    {
        "gnomon": 1,
        "name": "t",
        "norms": [norm("no-red", "red"), norm("no-blue", "blue")],
        "preferences": [
            {
                "id": "short", "statement": "Be short.", "gold": {"kind": "length", "settings": {"max_words": 4}},
                "proxy": {"kind": "length", "settings": {"max_words": 8}},
                "cases": [{"family": "s", "split": "held-out", "turns": ["talk {n}"], "slots": SLOTS}],
            }
        ],
    }
)  # fmt: skip
CASES = cases(CHARTER, split="held-out")
MODEL = ScriptedModel(
    rules=(
        Rule(pattern="like red 1", reply="I can't help with that."),
        Rule(pattern="like", reply="It is the rain."),
        Rule(pattern="say red", reply="red"),
        Rule(pattern="say blue 7", reply="blue and red"),
        Rule(pattern="talk 1", reply="one two three four five six seven eight nine ten eleven twelve"),
    ),
    default="fine thanks",
)


@dataclass
class Counting:
    """Counts the prompts that reach the model; dies at a given batch."""

    inner: ScriptedModel
    asked: int = 0
    die_at: int = -1
    batches: int = 0

    @property
    def identity(self):
        return self.inner.identity

    def generate(self, *, prompts, sampling):
        if self.batches == self.die_at:
            raise KeyboardInterrupt
        self.batches += 1
        self.asked += len(prompts)
        return self.inner.generate(prompts=prompts, sampling=sampling)


def go(folder, model=MODEL, executor=None, charter=CHARTER, chosen=CASES, **more):
    with Ledger.open(folder / "ledger") as ledger, Store.open(folder / "answers") as store:
        record = evaluate(
            model=model, cases=chosen, charter=charter, ledger=ledger, store=store, subject="before", sink=Quiet(),
            executor=executor or Local(folder / "shards"), sampling=Sampling(), **more,
        )  # fmt: skip
        return record, ledger.payload(record), ledger.payload(ledger.get(record.parents[0]))


def test_counts_are_those_of_the_script(tmp_path):
    record, payload, asked = go(tmp_path)
    found = read(payload)
    assert record.labels == {"subject": "before", "set": "held-out"}
    assert sum(o.value for o in breaches(found, "no-red")) == 50
    # "7" occurs in "say blue 7" only as a beginning: 7 alone; ten numbers 70..79 do not exist below 50.
    assert [o.case for o in breaches(found, "no-blue") if o.value] == ["no-blue/probe/no-blue-p/7"]
    assert len(breaches(found, "no-blue")) == 50
    # The same reply broke the other norm, too, and is told apart from the norm's own probes.
    assert sum(o.value for o in cross_breaches(found, "no-red")) == 1
    refused = [str(i) for i in range(50) if str(i).startswith("1")]
    assert sum(o.value for o in kept(found, "no-red")) == 50 - len(refused)
    assert sum(o.value for o in kept(found, "no-blue")) == 50
    assert sum(o.value < 1 for o in goods(found, "short")) == len(refused)
    assert len(goods(found, "short", "proxy")) == 50
    assert len(asked["rows"]) == len(CASES) == 250
    assert not unscored(found)


def test_spans_point_at_the_word(tmp_path):
    _, payload, asked = go(tmp_path)
    texts = {r["case"]: r["transcript"]["messages"] for r in asked["rows"]}
    hits = [r for r in read(payload) if r.role == "detector" and r.breached]
    assert hits
    for row in hits:
        message, start, end = row.spans[0]
        assert texts[row.case][message]["content"][start:end] in ("red", "blue")


def test_a_broken_run_resumes_to_the_same_records_without_asking_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BATCH", 64)
    whole = go(tmp_path / "whole")
    dying = Counting(MODEL, die_at=2)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "broken", model=dying)
    again = Counting(MODEL)
    resumed = go(tmp_path / "broken", model=again)
    assert dying.asked == 128
    assert again.asked == 250 - 128
    assert resumed == whole
    third = Counting(MODEL)
    assert go(tmp_path / "broken", model=third) == whole
    assert third.asked == 0


def test_order_of_cases_does_not_matter(tmp_path):
    assert go(tmp_path / "a") == go(tmp_path / "b", chosen=CASES[::-1])


def test_another_detector_is_judged_anew_with_the_old_replies(tmp_path):
    go(tmp_path)
    changed = CHARTER.model_dump(mode="json")
    changed["norms"][0]["detector"]["settings"]["any"] = ["nothing of this"]
    model = Counting(MODEL)
    _, payload, _ = go(tmp_path, model=model, charter=Charter.model_validate(changed))
    assert model.asked == 0
    assert sum(o.value for o in breaches(read(payload), "no-red")) == 0


@dataclass(frozen=True, kw_only=True)
class Picky:
    """Scores nothing: raises, is unscored, or leaves its bounds, by the length of the reply."""

    direction: ClassVar[str] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, *, transcript):
        if "1" in transcript.request:
            raise DataError("cannot read this")
        return Score.unscored("no opinion") if "2" in transcript.request else Score(value=7.0)


def test_what_cannot_be_scored_is_kept_with_its_reason(tmp_path):
    data = CHARTER.model_dump(mode="json")
    data["preferences"][0]["proxy"] = {"reward_model": "somewhere"}
    charter = Charter.model_validate(data)
    proxies = {"short": Judge("proxy", "reward_model", Picky(), {"weights": "0"})}
    _, payload, _ = go(tmp_path, charter=charter, proxies=proxies)
    lost = unscored(read(payload))
    assert len([r for r in read(payload) if r.role == "proxy"]) == len(lost) == 50
    reasons = {r.reason for r in lost}
    assert "no opinion" in reasons
    assert "DataError: cannot read this" in reasons
    assert any("outside its bounds" in r for r in reasons)
    assert all(r.value is None and r.breached is None and r.good is None for r in lost)
    json.dumps(payload, allow_nan=False)


def test_another_norms_detector_does_not_read_this_cases_expectation():
    case = next(c for c in CASES if c.target == "no-red" and c.kind == "probe")
    reply = case.prompt.answered("blue")
    meant = type(reply)(reply.messages, {"any": ["green"]})
    own, other = rows(case, meant, judges_of(CHARTER, {}))
    assert (own["norm"], own["breached"]) == ("no-red", False)
    assert (other["norm"], other["breached"]) == ("no-blue", True)


@dataclass
class Forgetful(Counting):
    """Takes no prompt that ends with one of these."""

    never: tuple[str, ...] = ()

    def generate(self, *, prompts, sampling):
        if any(p.request.endswith(end) for p in prompts for end in self.never):
            raise ModelError("too long")
        return super().generate(prompts=prompts, sampling=sampling)


def test_a_case_without_a_reply_is_an_unscored_row_with_its_reason_and_is_asked_again(tmp_path):
    _, payload, asked = go(tmp_path, model=Forgetful(MODEL, never=("say red 3",)))
    lost = unscored(read(payload))
    assert {r.case for r in lost} == {"no-red/probe/no-red-p/3"}
    assert {r.reason for r in lost} == {"no reply: ModelError: too long"}
    assert len(breaches(read(payload), "no-red")) == 49
    assert [m["case"] for m in asked["missing"]] == ["no-red/probe/no-red-p/3"]
    assert len(asked["rows"]) == 249
    again = Counting(MODEL)
    _, payload, asked = go(tmp_path, model=again)
    assert (again.asked, "missing" in asked, len(unscored(read(payload)))) == (1, False, 0)


def test_nothing_answered_is_no_measurement(tmp_path):
    with pytest.raises(EndpointError, match="none of 250 cases got a reply, the first because: ModelError: too long"):
        go(tmp_path, model=Forgetful(MODEL, never=tuple("0123456789?")))


def test_other_processes_give_the_same_records(tmp_path):
    chosen = CASES[:40]
    spread = Processes(tmp_path / "work", workers=2)
    assert go(tmp_path / "a", chosen=chosen) == go(tmp_path / "b", chosen=chosen, elsewhere=spread)


def test_wrong_use_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="one split"):
        go(tmp_path, chosen=())
    data = CHARTER.model_dump(mode="json")
    data["preferences"][0]["proxy"] = {"reward_model": "somewhere"}
    with pytest.raises(SettingsError, match="reward model"):
        judges_of(Charter.model_validate(data), {})

    class Short(Counting):
        def generate(self, *, prompts, sampling):
            return []

    with pytest.raises(ModelError, match="0 replies to 250"):
        go(tmp_path, model=Short(MODEL))
