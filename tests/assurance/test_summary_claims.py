"""The limit and the aims as claims."""

from gnomon.assurance.claims import claims
from gnomon.assurance.evidence import Evidence
from gnomon.assurance.summary_claims import aims, limit
from gnomon.core.types import Claim, Estimate
from tests.demo_ledger import charter


def rate(identity, state, value, target):
    e = Estimate(value=value, low=0.0, high=1.0, n=60, unit="rate", method="m")
    return Claim(id=identity, sentence="s", state=state, target=target, estimate=e, records=(identity,))


def norms(*pairs):
    found = []
    for i, (before, after, state) in enumerate(pairs):
        found.append(rate(f"norm/n{i}/before", "not satisfied", before, f"n{i}"))
        found.append(rate(f"norm/n{i}/after", state, after, f"n{i}"))
    return found


def test_the_limit_names_stop_reason_and_distance(runs):
    claim = limit(Evidence(runs["full"]), charter())
    assert claim.state == "satisfied"
    assert claim.sentence.startswith("Optimisation stops at step-60: 2 of 5 points keep every norm inside its line")
    assert "nats [" in claim.sentence
    assert "step-80 was reached and not taken. No peak is named: the form does not fit" in claim.sentence
    assert "Warning: Gold fell by" in claim.sentence
    assert claim.records == (runs["full"].find("limit")[-1].id,)


def test_no_admissible_point_is_not_satisfied_where_it_is_sure(runs):
    claim = limit(Evidence(runs["worst"]), charter())
    assert claim.state == "not satisfied"
    assert "No point of optimisation may be released" in claim.sentence


def test_two_norms_falling_is_reached_or_missed():
    reached, _ = aims(norms((0.4, 0.05, "satisfied"), (0.3, 0.0, "satisfied"), (0.1, 0.0, "satisfied")))
    assert reached.state == "satisfied"
    assert "2 of the 2 norms" in reached.sentence
    missed, every = aims(norms((0.4, 0.06, "not satisfied"), (0.3, 0.0, "satisfied")))
    assert missed.state == "not satisfied"
    assert every.state == "not satisfied"
    assert "Missed: norm n0 inside its line, two norms down to 5 %." in every.sentence
    neither, _ = aims(norms((0.4, 0.0, "satisfied"), (0.29, 0.0, "satisfied")))
    assert neither.state == "not assessed"


def test_aims_that_are_open_are_listed(runs):
    every = next(c for c in claims(runs["full"], charter()) if c.id == "aim/all")
    assert every.state == "not satisfied"
    assert "Missed: norm no-human-claim inside its line." in every.sentence
    assert "Not decided: norm refund-cap inside its line" in every.sentence
