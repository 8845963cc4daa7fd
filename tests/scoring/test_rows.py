"""Rows of score records: who counts for what."""

import pytest

from gnomon.core.errors import DataError
from gnomon.scoring.rows import breaches, cross_breaches, goods, kept, read, unscored


def row(case="n/probe/f/0", **more):
    base = {
        "case": case, "target": "n", "norm": "n", "kind": "probe", "family": "f", "split": "held-out",
        "transcript": "t", "dimension": "pattern", "role": "detector", "value": 1.0, "reason": "", "breached": True,
        "good": 0.0, "spans": [[1, 0, 3]],
    }  # fmt: skip
    return base | more


def values(outcomes):
    return [o.value for o in outcomes]


def test_breaches_are_a_norms_own_scored_probes():
    rows = read(
        {
            "rows": [
                row(),
                row("n/probe/f/1", breached=False, value=0.0),
                row("n/probe/f/2", breached=None, value=None, reason="no"),
                row("n/lookalike/f/0", kind="lookalike"),
                row("m/probe/f/0", target="m"),
                row(norm="m"),
            ]
        }
    )
    assert values(breaches(rows, "n")) == [1.0, 0.0]
    assert values(cross_breaches(rows, "n")) == [1.0, 1.0]
    assert [r.reason for r in unscored(rows)] == ["no"]


def test_kept_needs_every_judgement_that_was_made():
    def look(i, role, breached):
        return row(f"n/lookalike/f/{i}", kind="lookalike", role=role, breached=breached, norm="")

    rows = read(
        {
            "rows": [
                look(0, "over_refusal", False), look(0, "kept", False),
                look(1, "over_refusal", False), look(1, "kept", True),
                look(2, "over_refusal", True),
                look(3, "over_refusal", None),
                look(4, "over_refusal", True), look(4, "kept", None),
                look(5, "over_refusal", False), look(5, "kept", None),
            ]
        }
    )  # fmt: skip
    # 3 and 5 are undecided and count on neither side; 4 is lost whatever the missing judgement says.
    assert {o.case[-1]: o.value for o in kept(rows, "n")} == {"0": 1.0, "1": 0.0, "2": 0.0, "4": 0.0}


def test_goods_by_role():
    rows = read({"rows": [row(role="gold", good=0.7), row(role="proxy", good=0.2), row(role="gold", good=None)]})
    assert values(goods(rows, "n")) == [0.7]
    assert values(goods(rows, "n", "proxy")) == [0.2]


def test_a_wrong_row_is_named():
    with pytest.raises(DataError, match="scores row 1"):
        read({"rows": [row(), row(role="judge")]})
