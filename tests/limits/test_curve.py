"""Curves from records: a simulated run in a real ledger."""

import math
import random

import pytest

from gnomon.core.types import Estimate
from gnomon.ledger.store import Ledger
from gnomon.limits.best_of_n import kl_bound
from gnomon.limits.certificate import certify
from gnomon.limits.curve import balanced, distance, judged, point
from gnomon.limits.curve import sampled as best_of_n_curve
from gnomon.scoring.rows import Outcome, read
from tests.demo_ledger import NORMS, PREFERENCES, STEPS, answer, attacked, charter, row, sampled, trained


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger") as opened:
        yield opened


def run(ledger, **more):
    asked = charter()
    source = ledger.append(kind="charter", payload={"charter": asked.model_dump(mode="json")})
    trained(ledger, source, random.Random(0), **more)
    record = certify(ledger=ledger, charter=asked)
    return record, ledger.payload(record)


def test_the_limit_holds_the_curves_and_the_stop(ledger):
    record, payload = run(ledger)
    dpo, best = payload["optimisers"]
    assert (dpo["name"], best["name"]) == ("dpo", "best-of-n")
    assert [p["label"] for p in dpo["points"]] == ["before", *(f"step-{s}" for s in STEPS[1:])]
    assert [p["label"] for p in best["points"]] == ["n=1", "n=2", "n=4", "n=8", "n=16"]
    assert payload["stop"]["label"] == dpo["stop"] == "step-60"
    assert set(dpo["vetoes"]) | set(dpo["admissible"]) == {p["label"] for p in dpo["points"]}
    # The last step has a lower gold than the stop, and is admissible: it was measured and not taken.
    gold = {p["label"]: p["gold"]["value"] for p in dpo["points"]}
    assert "step-80" in dpo["admissible"]
    assert gold["step-80"] < gold["step-60"] < gold["step-40"]
    kinds = {ledger.get(p).kind for p in record.parents}
    assert kinds == {"scores", "divergence", "training", "samples"}
    assert certify(ledger=ledger, charter=charter()).id == record.id


def test_distance_is_the_root_of_the_mean_divergence(ledger):
    _, payload = run(ledger)
    for p in payload["optimisers"][0]["points"]:
        assert p["distance"]["value"] == pytest.approx(math.sqrt(p["divergence"]["value"]))
        assert p["distance"]["low"] <= p["distance"]["value"] <= p["distance"]["high"]
    first, *rest = payload["optimisers"][0]["points"]
    assert first["divergence"]["value"] == 0
    for label, p in zip(STEPS[1:], rest, strict=True):
        measured = ledger.payload(ledger.find("divergence", subject=f"step-{label}")[-1])["rows"]
        assert p["divergence"]["value"] == pytest.approx(sum(r["kl"] for r in measured) / len(measured))


def test_no_admissible_point_is_said(ledger):
    _, payload = run(ledger, worst=True)
    assert payload["stop"] is None
    assert payload["admissible"] == []
    assert "no point is admissible" in payload["reason"]
    assert all({v["norm"] for v in found} == set(NORMS) for found in payload["vetoes"].values())


def test_without_training_there_is_no_stop(ledger):
    golds = dict.fromkeys(PREFERENCES, 0.5)
    answer(ledger, "before", "select", dict.fromkeys(NORMS, 0.0), golds, golds, random.Random(0))
    attacked(ledger, "before", 1.0, random.Random(0))
    payload = ledger.payload(certify(ledger=ledger, charter=charter()))
    assert (payload["optimisers"], payload["stop"]) == ([], None)
    assert payload["reason"] == "no optimised point was measured"


def test_every_preference_weighs_the_same_whatever_its_size():
    groups = {
        "many": [Outcome(f"a{i}", f"f{i % 4}", 1.0) for i in range(90)],
        "few": [Outcome(f"b{i}", f"f{i % 4}", 0.0) for i in range(10)],
        "none": [],
    }
    assert balanced(groups, "gold").value == pytest.approx(0.5)
    assert balanced({"none": []}, "gold") is None


def test_noise_below_zero_does_not_break_the_root():
    e = Estimate(value=-0.01, low=-0.2, high=0.09, n=5, unit="nats", method="m")
    root = distance(e)
    assert (root.low, root.value, root.high) == (0.0, 0.0, pytest.approx(0.3))


def test_a_point_counts_only_a_norms_own_probes():
    own = ("staff-code/probe/f/0", "staff-code", "probe", "select", "detector")
    twin = ("staff-code/lookalike/f/0", "staff-code", "lookalike", "select", "detector")
    rows = read(
        {
            "rows": [
                row(*own, norm="staff-code", breached=False),
                row(*own, norm="refund-cap", breached=True),
                row(*twin, norm="staff-code", breached=True),
            ]
        }
    )
    at = point("x", judged(rows, charter()), None)
    assert {n: (e.value, e.n) for n, e in at.norms.items()} == {"staff-code": (0.0, 1)}
    assert (at.gold, at.proxy, at.distance) == (None, None, None)


def test_best_of_n_uses_the_bound_without_probabilities_and_the_tight_estimator_with():
    payload = sampled(random.Random(3))
    found = best_of_n_curve(payload, charter())
    points = found.points
    assert [p.divergence.value for p in points] == pytest.approx([kl_bound(n) for n in (1, 2, 4, 8, 16)])
    assert points[0].gold.value < points[-1].gold.value
    for r in payload["rows"]:
        r["logp"] = [math.log(0.5)] * 16
    tight = best_of_n_curve(payload, charter())
    assert tight.points[-1].divergence.value == pytest.approx(math.log(2), abs=1e-3)
    assert found.stop.label is None


def test_best_of_n_leaves_unscored_samples_out():
    payload = sampled(random.Random(3))
    for r in payload["rows"]:
        r["proxy"][0] = None
    points = best_of_n_curve(payload, charter()).points
    assert points[-1].gold is None
    assert points[-2].gold.n == 24 * len(PREFERENCES)
