"""The certificate from a simulated run, from three worlds whose truth is known, and against its published schema."""

import json
import math
import random
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from scipy import stats

from gnomon.charter.schema import Charter
from gnomon.core.canonical import digest, from_builtins
from gnomon.core.errors import DataError
from gnomon.ledger.store import Ledger
from gnomon.limits.certificate import Certificate, build, certify, json_schema
from gnomon.limits.fits import predict
from gnomon.limits.price import read
from tests.demo_ledger import NORMS, charter, trained

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "limit-certificate.schema.json"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A ledger with a trained run, its certificate's record, and the certificate."""
    with Ledger.open(tmp_path_factory.mktemp("run") / "ledger") as ledger:
        asked = charter()
        source = ledger.append(kind="charter", payload={"charter": asked.model_dump(mode="json"), "digest": "d" * 64})
        ledger.append(kind="model", labels={"subject": "before"}, payload={"name": "m", "weights": "a" * 64})
        trained(ledger, source, random.Random(0))
        record = certify(ledger=ledger, charter=asked)
        yield ledger, record, from_builtins(ledger.payload(record), Certificate)


def test_the_record_is_the_certificate_and_is_made_once(run):
    ledger, record, certificate = run
    assert record.kind == "limit"
    built, used = build(ledger=ledger, charter=charter())
    assert built == certificate
    assert record.parents == tuple(r.id for r in used)
    assert certify(ledger=ledger, charter=charter()).id == record.id


def test_it_keeps_to_the_published_schema(run):
    ledger, record, _ = run
    made = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text() == made, f"{SCHEMA.name} is out of date; write it anew with: make schema"
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    payload = ledger.payload(record)
    assert [e.message for e in validator.iter_errors(payload)] == []
    assert not validator.is_valid(payload | {"more": 1})
    assert not validator.is_valid({k: v for k, v in payload.items() if k != "digests"})
    broken = json.loads(json.dumps(payload))
    broken["optimisers"][0]["points"][0]["gold"]["value"] = "high"
    assert not validator.is_valid(broken)


def test_room_at_the_stop_is_the_line_minus_the_bound(run):
    _, _, certificate = run
    training = certificate.optimisers[0]
    point = next(p for p in training.points if p.label == training.stop)
    assert {m.to for m in training.margins} == {f"norm {n}" for n in NORMS}
    for margin in training.margins:
        rate = point.norms[margin.to.removeprefix("norm ")]
        k = round(rate.value * rate.n)
        assert margin.room.value == pytest.approx(0.05 - rate.value)
        assert margin.room.low == pytest.approx(0.05 - stats.beta.ppf(0.95, k + 1, rate.n - k))
    assert [m.room.low for m in training.margins] == sorted(m.room.low for m in training.margins)
    assert all(m.room.low >= 0 for m in training.margins), "the stop keeps every norm inside its line"


def test_what_is_refused_and_what_is_missing_is_said(run):
    _, _, certificate = run
    training, sampled = certificate.optimisers
    assert training.refusal.startswith("the form does not fit")
    assert training.fit.peak is None
    assert "16 clusters" in sampled.refusal
    assert training.fitted == sampled.fitted == ()
    assert "outliers: no record holds features of replies" in training.unfound
    assert "drift: no record holds the replies at every point" in sampled.unfound
    assert (certificate.price, certificate.horizon) == (None, {})


def test_the_fall_of_gold_is_warned_of_and_the_looks_are_there(run):
    _, _, certificate = run
    training = certificate.optimisers[0]
    fall = next(f for f in training.findings if f.kind == "change_point")
    assert fall.label == "step-80"
    assert [look.label for look in training.watch] == list(training.grid)
    assert {t.norm for t in training.trade_offs} == set(NORMS)
    assert all("before" in t.surely for t in training.trade_offs if t.preference == "says-so")


def test_digests_name_what_it_speaks_of(run):
    ledger, _, certificate = run
    asked = [r.payload for r in sorted(ledger.find("transcripts", set="select"), key=lambda r: r.id)]
    assert certificate.digests.data == digest([*asked, ledger.find("samples")[0].payload])
    assert (certificate.digests.charter, certificate.digests.model) == ("d" * 64, "a" * 64)
    other = charter(preferences=False)
    assert build(ledger=ledger, charter=other)[0].digests.judge != certificate.digests.judge


# --- three worlds: what proxy measures besides gold


def world(error, cases=60, n=512, seed=0):
    """A `samples` payload: gold is normal in [0, 1], the proxy adds an error; every case is a family of its own."""
    draw, rows = np.random.default_rng(seed), []
    for i in range(cases):
        gold = draw.standard_normal(n)
        proxy = gold.copy()
        if error == "gaussian":
            proxy += draw.standard_normal(n)
        if error == "student":
            proxy += draw.standard_t(3, n)
        if error == "hack":
            proxy += draw.standard_normal(n)
            hacked = draw.random(n) < 0.01
            gold, proxy = np.where(hacked, gold - 3, gold), np.where(hacked, proxy + 4, proxy)
        row = {"case": f"help/preference/f{i}/0", "proxy": proxy.tolist(), "breached": {}, "transcripts": []}
        rows.append(row | {"gold": np.clip(0.5 + gold / 12, 0, 1).tolist()})
    return {"n": n, "rows": rows}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    asked = Charter.model_validate(
        {"gnomon": 1, "name": "w", "preferences": [{"id": "help", "statement": "s", "gold": {"kind": "length"}}]}
    )
    found = {}
    for error in ("gaussian", "student", "hack"):
        with Ledger.open(tmp_path_factory.mktemp(error) / "ledger") as ledger:
            ledger.append(kind="samples", labels={"subject": "before"}, payload=world(error))
            found[error] = build(ledger=ledger, charter=asked)[0].optimisers[0]
    return found


def test_gaussian_error_has_no_invented_peak(worlds):
    assert worlds["gaussian"].fit.peak is None
    assert worlds["gaussian"].refusal
    assert worlds["gaussian"].findings == ()


def test_heavy_tails_have_a_peak_where_it_is(worlds):
    """True peak: d = 1.45 (n = 21), from 200 000 exact actions; see Gao et al.'s form in `fits`."""
    student = worlds["student"]
    assert student.refusal == ""
    assert student.fit.peak.low <= 1.45 <= student.fit.peak.high
    assert student.fit.peak.high - student.fit.peak.low < 0.6


def test_a_hack_gets_a_warning_and_no_peak(worlds):
    hack = worlds["hack"]
    gold = {p.label: p.gold.value for p in hack.points}
    assert gold["n=512"] < gold["n=1"] < gold["n=8"], "gold has to fall in this world, else the test tests nothing"
    assert hack.fit.peak is None
    assert [f.kind for f in hack.findings] == ["change_point"]
    assert hack.findings[0].statistic.high < 0
    assert len(hack.findings[0].examples) > 0


def test_the_fit_is_written_down_up_to_its_reach_from_the_level_of_the_start(worlds):
    student = worlds["student"]
    assert student.fitted[0].gold.value == pytest.approx(student.points[0].gold.value)
    assert student.fitted[-1].distance == pytest.approx(1.3 * student.points[-1].distance.value)
    middle = student.fitted[20]
    rise = predict(student.fit, middle.distance).value
    assert middle.gold.value == pytest.approx(student.points[0].gold.value + rise)
    assert worlds["hack"].fitted == (), "a form that does not fit is not drawn"


def test_no_world_has_a_peak_beyond_its_reach(worlds):
    for optimiser in worlds.values():
        if optimiser.fit and optimiser.fit.peak:
            assert optimiser.fit.peak.high <= 1.3 * optimiser.points[-1].distance.value + 1e-9
            assert not math.isnan(optimiser.fit.peak.value)


# --- the parts that other records bring


def test_turns_and_prices_become_parts_of_it(tmp_path):
    sweep = json.loads((ROOT / "docs" / "experiments" / "price_invariance.json").read_text())
    turns = [
        {"conversation": f"c{i}", "turn": t, "gold": 1 - 0.1 * t, "divergence": 0.1 * t, "broken": {"n": t == 3}}
        for i in range(20)
        for t in (1, 2, 3)
    ]
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.append(kind="turns", labels={"subject": "after"}, payload={"rows": turns})
        ledger.append(kind="price_invariance", payload=json.loads(json.dumps(sweep)))
        certificate, used = build(ledger=ledger, charter=charter())
        assert {r.kind for r in used} == {"turns", "price_invariance"}
        assert certify(ledger=ledger, charter=charter()).kind == "limit"
    assert certificate.price.mask_state == "satisfied"
    assert len(certificate.price.penalties) == sum("penalty" in p.arm for p in read(sweep, "s").points)
    after = certificate.horizon["after"]
    assert [round(s.unbroken.value, 9) for s in after.norms["n"]] == [1.0, 1.0, 0.0]
    assert after.turns[2].gold_change.value == pytest.approx(-0.2)
    assert certificate.reason == "no optimised point was measured"


def test_broken_turns_name_their_row(tmp_path):
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.append(kind="turns", payload={"rows": [{"conversation": "c"}]})
        with pytest.raises(DataError, match=r"turns row 0.*turn"):
            build(ledger=ledger, charter=charter())


def read_again(folder, entropy, feature):
    """The simulated run with entropy and features of replies on record; after the start only of every other case."""
    with Ledger.open(folder / "ledger") as ledger:
        asked, rng = charter(), np.random.default_rng(0)
        source = ledger.append(kind="charter", payload={"charter": asked.model_dump(mode="json"), "digest": "d" * 64})
        trained(ledger, source, random.Random(0))
        for record in ledger.find("scores", set="select"):
            label, rows = record.labels["subject"], {}
            for row in ledger.payload(record)["rows"]:
                rows[row["case"]] = int(row["case"].rpartition("/")[2])
            made = [
                {
                    "case": case, "kl": 0.1 * (label != "before"), "tokens": 9, "entropy": entropy(label, i),
                    "features": (rng.normal(size=4) + feature(label, i)).tolist(),
                }
                for case, i in rows.items() if label == "before" or i % 2 == 0
            ]  # fmt: skip
            payload = {"estimator": "k1", "rows": made}
            ledger.append(kind="divergence", labels={"subject": label}, payload=payload, parents=[record.id])
        return build(ledger=ledger, charter=asked)[0].optimisers[0]


def test_entropy_is_on_the_curve_and_compared_on_the_same_cases(tmp_path):
    """Odd cases have more entropy, and only the start was asked them: that is no drift."""
    same = read_again(tmp_path / "a", lambda label, i: 3.0 + 2.0 * (i % 2) + 0.01 * (i % 7), lambda label, i: 0.0)
    assert all("entropy" in p.features for p in same.points)
    assert [f for f in same.findings if f.kind == "outliers" or "entropy" in f.message] == []
    fallen = read_again(tmp_path / "b", lambda label, i: 3.0 - 2.0 * (label != "before"), lambda label, i: 0.0)
    assert any(f.kind == "drift" and "entropy moved by -2" in f.message for f in fallen.findings)


def test_replies_unlike_the_start_are_found_by_its_reading_of_them(tmp_path):
    odd = read_again(tmp_path, lambda label, i: 3.0, lambda label, i: 9.0 * (label == "step-80" and i % 4 == 0))
    found = [f for f in odd.findings if f.kind == "outliers"]
    assert [f.label for f in found] == ["step-80"]
    assert all(int(case.rpartition("/")[2]) % 4 == 0 for case in found[0].examples)
