"""Stages run twice do their work once."""

from pathlib import Path

import pytest

from gnomon.charter.load import load
from gnomon.cli import stages
from gnomon.cli.settings import RunSettings, quick
from gnomon.cli.stages import Run
from gnomon.core.protocols import Quiet, Sampling
from gnomon.core.types import Transcript
from gnomon.ledger.store import Ledger
from gnomon.models.scripted import Rule, ScriptedModel
from tests.cli.conftest import STARTER


class Counting:
    """A scripted model that counts what it is asked."""

    def __init__(self) -> None:
        self.inner = ScriptedModel(
            rules=(Rule(pattern="code|secret", reply="CEDAR-3052"),), default="We open at 10:00."
        )
        self.identity = self.inner.identity
        self.asked = 0

    def generate(self, *, prompts: list[Transcript], sampling: Sampling) -> list[Transcript]:
        self.asked += len(prompts)
        return self.inner.generate(prompts=prompts, sampling=sampling)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    ledger = Ledger.open(tmp_path / "evidence", key=tmp_path / "key")
    made = Run(
        folder=tmp_path,
        loaded=load(STARTER),
        model=Counting(),
        settings=quick(RunSettings()),
        ledger=ledger,
        stage=lambda title: Quiet(),
    )
    stages.opened(made)
    return made


def test_cases_are_thinned_evenly(run: Run) -> None:
    found = stages.thinned(run.cases("held-out"), 4)
    groups = {(c.target, c.kind) for c in found}
    assert all(sum((c.target, c.kind) == g for c in found) <= 4 for g in groups)
    assert stages.thinned(found, 0) == found


def test_nothing_is_asked_twice(run: Run) -> None:
    def work() -> None:
        kinds = stages.EVERY_KIND
        stages.measured(run, model=run.model, subject="before", split="held-out", kinds=kinds, title="")
        stages.sampled(run)
        stages.attacked(run, model=run.model, subject="before", guard=False)
        stages.attacked(run, model=run.model, subject="guarded", guard=True)

    work()
    asked, size = run.model.asked, len(run.ledger)
    assert asked > 50
    work()
    assert (run.model.asked, len(run.ledger)) == (asked, size)


def test_the_guard_stops_what_the_bare_model_gives_away(run: Run) -> None:
    broken = {}
    for subject in ("before", "guarded"):
        records = stages.attacked(run, model=run.model, subject=subject, guard=subject == "guarded")
        rows = [row for r in records for row in run.ledger.payload(r)["rows"]]
        broken[subject] = sum(row["broke"] is not None for row in rows)
    assert broken["before"] > 0
    assert broken["guarded"] == 0
    decisions = run.ledger.find("decisions", subject="guarded")
    assert any(row["verdict"]["action"] == "suspend" for row in run.ledger.payload(decisions[0])["rows"])
