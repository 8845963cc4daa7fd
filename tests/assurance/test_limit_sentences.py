"""The certificate in sentences: numbers from the record, refusals said, older forms let through."""

from gnomon.assurance.limit_sentences import of_certificate, of_optimiser, warnings
from gnomon.core.canonical import to_builtins
from gnomon.core.types import Estimate
from gnomon.limits.horizon import Turn, horizon


def payload(runs):
    return runs["full"].payload(runs["full"].find("limit")[-1])


def estimate(value, low, high, unit="rate"):
    return to_builtins(Estimate(value=value, low=low, high=high, n=9, unit=unit, method="m"))


def test_every_part_of_the_curve_has_its_sentence(runs):
    training, sampled = payload(runs)["optimisers"]
    said = of_optimiser(training)
    headings = {heading for heading, _ in said}
    assert {"Fit", "Room at the stop", "Warning", "Not looked for", "Looking at every point", "Trade-offs"} <= headings
    words = dict(said)
    assert words["Fit"] == f"No peak is named: {training['refusal']}."
    nearest = training["margins"][0]
    assert nearest["to"] in words["Room at the stop"]
    assert f"surely at least +{100 * nearest['room']['low']:.1f}" in words["Room at the stop"]
    assert "With evidence of 20 to 1, gold had fallen at none" in words["Looking at every point"]
    assert "Room at the stop" not in dict(of_optimiser(sampled))


def test_a_named_peak_is_said_with_its_interval_and_reach(runs):
    training = payload(runs)["optimisers"][0]
    fit = training["fit"] | {"peak": estimate(1.5, 1.2, 1.9), "reach": 2.6}
    room = {"to": "fitted peak", "room": estimate(-0.3, -0.6, 0.1)}
    words = dict(of_optimiser(training | {"fit": fit, "refusal": "", "margins": [room]}))
    assert "highest at d = 1.50 [1.20, 1.90]; nothing is said beyond d = 2.60" in words["Fit"]
    assert words["Room to the peak"].startswith("d = -0.30 [-0.60, 0.10]")


def test_no_finding_is_no_proof(runs):
    training = payload(runs)["optimisers"][0] | {"findings": []}
    assert "not proof" in dict(of_optimiser(training))["Sparse exploits"]
    assert warnings(training) == []


def test_a_stop_at_a_look_is_named(runs):
    training = payload(runs)["optimisers"][0]
    looks = [look | {"stop": look["label"] == "step-80"} for look in training["watch"]]
    words = dict(of_optimiser(training | {"watch": looks}))
    assert words["Looking at every point"].endswith("gold had fallen at step-80.")


def test_what_was_not_measured_is_said(runs):
    words = of_certificate(payload(runs))
    assert [heading for heading, _ in words] == ["Price of a breach", "Long conversations"]
    assert all(text.startswith("Not measured") for _, text in words)


def test_turns_and_prices_are_said():
    turns = [Turn(conversation=f"c{i}", turn=t, gold=1.0 / t, broken={"n": False}) for i in range(9) for t in (1, 2)]
    found = to_builtins({"after": horizon(turns)})
    price = {"mask_state": "satisfied", "mask_reason": "none", "penalty_state": "inconclusive", "penalty_reason": "few"}
    said = of_certificate({"price": price, "horizon": found})
    assert ("Price of a breach, mask", "Satisfied: none.") in said
    assert any("after: n is unbroken after 2 turns in 100.0 %" in text for _, text in said)
    assert any("gold at turn 2 against the first: −50.0 points" in text for _, text in said)


def test_an_older_record_has_fewer_sentences():
    assert of_certificate({"optimisers": []}) == []
    assert of_optimiser({"name": "dpo", "points": []}) == []
