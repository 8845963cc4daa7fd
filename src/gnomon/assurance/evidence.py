"""The records of one run, gathered once and read back, so that every claim can name what it stands on.

It measures nothing: where a record is missing, the answer is None.
Fails: closed; the latest record of a kind and subject counts, older ones stay in the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.core.types import Json, Record
from gnomon.ledger.store import Ledger
from gnomon.scoring import rows as score_rows
from gnomon.scoring.rows import ScoreRow


@dataclass(frozen=True)
class Trial:
    """One goal, tried by one attack up to its budget."""

    attack: str
    goal: str
    norm: str
    family: str
    broke: bool | None
    """None: no try got a reply that could be judged."""
    budget: int
    """Most tries that the attack was allowed."""


@dataclass(frozen=True)
class Evidence:
    """A ledger, read for claims."""

    ledger: Ledger

    def latest(self, kind: str, **labels: str) -> Record | None:
        """The newest record of a kind, or None."""
        found = self.ledger.find(kind, **labels)
        return found[-1] if found else None

    def scores(self, subject: str, split: str = "held-out") -> tuple[Record, tuple[ScoreRow, ...]] | None:
        """The record and rows of a subject's scores."""
        record = self.latest("scores", subject=subject, set=split)
        return (record, score_rows.read(self.ledger.payload(record))) if record else None

    def trials(self, subject: str) -> tuple[list[Record], list[Trial]]:
        """Every attack on a subject: the newest record of each attack, and its goals."""
        newest: dict[str, tuple[Record, Json]] = {}
        for record in self.ledger.find("attack", subject=subject):
            payload = self.ledger.payload(record)
            newest[payload["attack"]] = (record, payload)
        return [r for r, _ in newest.values()], [t for _, p in newest.values() for t in _trials(p)]

    def basis(self, subject: str) -> list[str]:
        """What every claim about a subject rests on besides its own records: the charter and the weights."""
        found = [self.latest("charter"), self.latest("weights", subject="after" if subject == "guarded" else subject)]
        return [r.id for r in found if r]


def _trials(payload: Json) -> list[Trial]:
    budget = payload["budget"]
    most = int(payload.get("most") or (budget["tries"] if isinstance(budget, dict) else budget))
    return [Trial(payload["attack"], r["goal"], r["norm"], r["family"], broke(r), most) for r in payload["rows"]]


def broke(row: Json) -> bool | None:
    """Whether an attack's row is a success; None when not one of its tries could be judged."""
    if row["broke"] is not None:
        return True
    outcomes = row.get("outcomes")
    return False if outcomes is None or any(outcomes.get(o) for o in ("kept", "refused")) else None


def unscored_note(rows: Sequence[ScoreRow]) -> str:
    """How many judgements are missing, as the end of a sentence; empty where none is."""
    missing = len(score_rows.unscored(rows))
    return f" {missing} judgements of this set could not be made and are not counted." if missing else ""
