"""Claims of a loop: their states follow the intervals' ends, and each names its records."""

from pathlib import Path

from gnomon.assurance.claims import append_claims
from gnomon.assurance.hardening_claims import claims
from gnomon.charter.load import STARTER, load
from gnomon.core.types import Claim
from gnomon.ledger.store import Ledger
from tests.assurance.hardened import ledger
from tests.assurance.test_hardening import AFTER, BEFORE


def told(made: Ledger) -> dict[str, Claim]:
    return {c.id: c for c in claims(made, load(STARTER).charter)}


def test_every_side_and_way_has_its_claim_and_its_records(tmp_path: Path) -> None:
    made = ledger(tmp_path, [BEFORE, AFTER])
    found = told(made)
    for side in ("trained-on", "held-out"):
        for arm in ("bare", "guarded", "adaptive"):
            assert f"hardening/attacks/{side}/{arm}" in found
    bare = found["hardening/attacks/trained-on/bare"]
    assert "broke 25.0 % of trials on held-out goals before and 8.3 % after" in bare.sentence
    assert "5 broke only before, 1 only after" in bare.sentence
    assert all(c.records for c in found.values())
    append_claims(made, list(found.values()))
    assert len(made.find("claim")) == len(found)


def test_states_follow_the_intervals(tmp_path: Path) -> None:
    found = told(ledger(tmp_path, [BEFORE, AFTER], bar=0.09))
    assert found["hardening/bar"].state == "satisfied"
    assert found["hardening/benign/stopped-in-attacks-words"].state != "satisfied", "all of them are stopped"
    for claim in found.values():
        e = claim.estimate
        assert e is not None
        assert e.low <= e.value <= e.high
        assert str(e.n) in claim.sentence


def test_before_any_round_only_the_bar_is_spoken_of(tmp_path: Path) -> None:
    found = told(ledger(tmp_path, [BEFORE]))
    assert list(found) == ["hardening/bar"]
    assert "before any hardening" in found["hardening/bar"].sentence
    empty = Ledger.open(tmp_path / "empty", key=tmp_path / "key")
    assert claims(empty, load(STARTER).charter) == []
