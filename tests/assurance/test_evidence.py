"""Gathering records: the newest counts, the missing is None."""

from gnomon.assurance.evidence import Evidence, unscored_note
from gnomon.ledger.store import Ledger
from gnomon.scoring.rows import read


def test_the_newest_record_of_a_subject_counts(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        labels = {"subject": "after", "set": "held-out"}
        assert Evidence(ledger).scores("after") is None
        ledger.append(kind="scores", labels=labels, payload={"rows": []})
        newest = ledger.append(kind="scores", labels=labels, payload={"rows": [], "again": 1})
        ledger.append(kind="scores", labels=labels | {"set": "select"}, payload={"rows": [], "again": 2})
        assert Evidence(ledger).scores("after") == (newest, ())


def test_the_basis_is_charter_and_weights(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        assert Evidence(ledger).basis("after") == []
        charter = ledger.append(kind="charter", payload={})
        weights = ledger.append(kind="weights", labels={"subject": "after"}, payload={})
        assert Evidence(ledger).basis("after") == Evidence(ledger).basis("guarded") == [charter.id, weights.id]
        assert Evidence(ledger).basis("before") == [charter.id]


def test_missing_judgements_are_mentioned(runs):
    assert unscored_note(()) == ""
    row = runs["full"].payload(runs["full"].find("scores")[0])["rows"][0] | {"value": None, "reason": "lost"}
    assert "1 judgements" in unscored_note(read({"rows": [row]}))
