"""What a model finds likelier: only of its own breaches, and only where it can say."""

from pathlib import Path

from gnomon.core.protocols import Quiet, Sampling
from gnomon.evaluation.causes import asking
from gnomon.evaluation.items import Answer
from gnomon.evaluation.run import evaluate
from gnomon.executor.answers import Store
from gnomon.executor.local import Local
from gnomon.ledger.store import Ledger
from tests.evaluation.test_run import CASES, CHARTER, MODEL


class Telling:
    """Stands for a model in this process."""

    tokenizer = None
    identity = MODEL.identity


def test_own_breaches_are_compared_with_the_safe_reply(tmp_path: Path, monkeypatch) -> None:
    norm = CHARTER.norms[0].model_copy(update={"instead": ("No.",)})
    seen = []

    def likelihoods(*, model, items):
        seen.extend(items)
        return {i.id: Answer(item=i.id, logprobs=(-2.0, -9.0), tokens=(2, 3)) for i in items}

    monkeypatch.setattr(asking, "likelihoods", likelihoods)
    with Ledger.open(tmp_path / "ledger") as ledger, Store.open(tmp_path / "answers") as store:
        evaluate(
            model=MODEL, cases=CASES, charter=CHARTER, ledger=ledger, store=store, executor=Local(tmp_path / "work"),
            sampling=Sampling(), subject="before", sink=Quiet(),
        )  # fmt: skip
        found = asking.choices(ledger, [norm], subject="before", model=Telling())
        assert asking.choices(ledger, [norm], subject="before", model=MODEL) == []
        assert asking.choices(ledger, [norm], subject="after", model=Telling()) == []
    assert 25 <= len(found) <= 50
    assert {(c.kept, c.broken) for c in found} == {(-1.0, -3.0)}
    assert {i.choices for i in seen} == {("No.", "red")}
    assert all(i.prompt.messages[-1].role == "user" for i in seen)
