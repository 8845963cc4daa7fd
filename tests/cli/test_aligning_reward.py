"""A reward model from a charter: what is written and recorded."""

from gnomon.cli import aligning
from tests.cli.conftest import Begin


def test_the_report_is_recorded_with_what_it_was_trained_on(begin: Begin) -> None:
    run = begin("method=reward")
    report = aligning.judge_trained(run)
    (record,) = run.ledger.find("training")
    assert run.ledger.payload(record) == {"method": "reward", "report": report}
    assert [run.ledger.get(parent).kind for parent in record.parents] == ["pairs"]
