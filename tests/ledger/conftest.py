import shutil
from pathlib import Path

import pytest

from gnomon.ledger.store import Ledger


def fill(ledger: Ledger) -> None:
    """A ledger like that of a run: settings, transcripts, scores, training, limit, attacks, claims."""
    charter = ledger.append(kind="charter", payload={"name": "helpdesk", "digest": "ab" * 32})
    settings = ledger.append(kind="settings", payload={"seed": 0, "quick": True, "rate": 0.05}, parents=[charter.id])
    made = []
    for subject in ("before", "step-10", "step-20", "after"):
        labels = {"subject": subject, "set": "held-out"}
        rows = [{"case": f"c{i}", "transcript": {"messages": [f"{subject} é “{i}”"]}} for i in range(8)]
        answers = ledger.append(
            kind="transcripts", payload={"rows": rows}, labels=labels, parents=[settings.id], settings={"t": 0}
        )
        scores = [{"case": f"{subject}-c{i}", "value": i / 8, "breached": i > 6, "reason": None} for i in range(8)]
        made.append(ledger.append(kind="scores", payload={"rows": scores}, labels=labels, parents=[answers.id]))
    limit = ledger.append(kind="limit", payload={"stop": {"label": "step-10"}}, parents=[r.id for r in made])
    attack = ledger.append(kind="attack", payload={"rows": []}, labels={"subject": "before"}, parents=[charter.id])
    # the same payload twice, under different records
    ledger.append(kind="attack", payload={"rows": []}, labels={"subject": "after"}, parents=[charter.id])
    ledger.append(kind="claim", payload={"id": "n1", "state": "satisfied"}, parents=[limit.id, attack.id])


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished ledger that no test may change."""
    folder = tmp_path_factory.mktemp("ledger") / "evidence"
    with Ledger.open(folder) as ledger:
        fill(ledger)
    return folder


@pytest.fixture
def evidence(original: Path, tmp_path: Path) -> Path:
    """A finished ledger of one's own, with its key beside it."""
    shutil.copytree(original, tmp_path / "evidence")
    shutil.copy(original.with_name("evidence.key"), tmp_path / "evidence.key")
    return tmp_path / "evidence"
