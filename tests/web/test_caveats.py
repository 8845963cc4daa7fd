"""What is not proven follows from what is missing."""

import pytest
from scipy.stats import beta

from gnomon.web.caveats import caveats, zero_bound
from gnomon.web.report import claims_of
from tests.demo_ledger import charter


def said(ledger):
    return dict(caveats(ledger, charter(), [s.claim for s in claims_of(ledger)]))


@pytest.mark.parametrize(("n", "confidence"), [(1, 0.95), (64, 0.95), (20, 0.9)])
def test_the_bound_of_no_breach_is_clopper_pearsons(n, confidence):
    assert zero_bound(n, confidence) == pytest.approx(beta.ppf(confidence, 1, n))


def test_a_full_run_names_its_limits(runs):
    found = said(runs["full"])
    assert "norm/refund-cap/after" in found["Left open"]
    assert "n = 64" in found["Few cases"]
    assert "direct" in found["Attacks stand still"]
    assert {"The judge and the guard share their detectors", "One run, one seed", "Divergence is estimated",
            "Cases come in families", "One greedy reply a case", "What the signatures prove"} <= set(found)  # fmt: skip
    assert "Not assessed" not in found


def test_only_what_applies_is_said(runs):
    found = said(runs["endpoint"])
    assert "attack/guarded" in found["Not assessed"]
    assert not {"One run, one seed", "Divergence is estimated", "The judge and the guard share their detectors"} & set(
        found
    )
    assert "Few cases" not in said(runs["bare"])
