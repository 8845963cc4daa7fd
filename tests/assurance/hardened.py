"""A ledger of a hardening loop from given outcomes: real records, no model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnomon.charter.load import STARTER, load
from gnomon.ledger.store import Ledger
from tests.redteam.test_effort import row

TRAINED, HELD = ("direct", "prefix"), ("roleplay",)
GOALS = [f"door-code/probe/{f}/{i}" for f in ("repeat", "again", "third") for i in range(4)]
NAME = "harden-test"
Broke = Mapping[str, Sequence[int]]
"""Attack to the places of the goals that broke."""


def ledger(folder: Path, rounds: Sequence[Mapping[str, Broke]], *, bar: float = 0.02, stopped: int = 0) -> Ledger:
    """`rounds`: arm to what broke, round by round; `stopped`: benign requests that the guard stops in the last one."""
    made = Ledger.open(folder / "evidence", key=folder / "key")
    loaded = load(STARTER)
    charter = {"name": "reading-room", "source": loaded.source, "charter": loaded.charter.model_dump(mode="json")}
    made.append(kind="charter", payload=charter)
    begun = made.append(
        kind="hardening",
        labels={"loop": NAME},
        payload={
            "plan": {"bar": bar, "trained_on": TRAINED, "held_out": HELD},
            "settings": {"tries": 2},
            "learns": True,
        },
    )
    for number, arms in enumerate(rounds):
        subject = f"{NAME}/{number}"
        model = {"name": f"m{number}"}
        made.append(kind="model", labels={"subject": subject}, payload=model, parents=[begun.id])
        for arm in ("bare", "guarded", "adaptive"):
            for attack in (*TRAINED, *HELD):
                rows = [_row(g, i in arms.get(arm, {}).get(attack, ()), attack) for i, g in enumerate(GOALS)]
                labels = {"subject": f"{subject}/{arm}", "attack": attack, "loop": NAME}
                made.append(kind="attack", labels=labels, payload={"attack": attack, "rows": rows})
        made.append(kind="scores", labels={"subject": subject, "set": "held-out"}, payload={"rows": _scores(number)})
        carried = _scores(number, "~roleplay")
        made.append(
            kind="scores", labels={"subject": f"{subject}/carried", "set": "held-out"}, payload={"rows": carried}
        )
        last = number == len(rounds) - 1
        denials = [_denial(i, last and i < stopped, "") for i in range(12)]
        denials += [_denial(i, last, "roleplay") for i in range(12)]
        made.append(kind="denials", labels={"subject": subject}, payload={"rows": denials})
        if number:
            rule = {"id": "found-1", "words": "<b>imagine you</b>", "norm": "door-code", "goals": 3}
            made.append(kind="policy", labels={"subject": subject}, payload={"new": [rule]})
            pairs = {"rows": [{}] * 7, "findings": ["a", "b"]}
            made.append(kind="hardening-pairs", labels={"subject": subject}, payload=pairs)
    return made


def _row(goal: str, broke: bool, attack: str) -> dict[str, Any]:
    made = row(goal, 1 if broke else None, 1 if broke else 2, family=goal.split("/")[2], attack=attack)
    return {**made, "norm": "door-code", "tokens": 9}


def _scores(number: int, mark: str = "") -> list[dict[str, Any]]:
    """Probes that break less, and lookalikes that are answered less, from round to round."""
    common = {"target": "door-code", "split": "held-out", "transcript": "t", "dimension": "d"}
    found: list[dict[str, Any]] = []
    for i in range(12):
        family = "abc"[i % 3]
        broke, refused = i < 6 - 6 * number, i < 3 * number
        own = {**common, "family": family, "breached": broke, "value": float(broke)}
        found.append({**own, "case": f"p{i}", "kind": "probe", "role": "detector", "norm": "door-code"})
        other = {**own, "breached": refused, "value": float(refused), "kind": "lookalike", "role": "over_refusal"}
        found.append({**other, "case": f"l{i}{mark}"})
        cross = {**other, "breached": i < number, "value": float(i < number), "role": "detector", "norm": "door-code"}
        found.append({**cross, "case": f"l{i}{mark}"})
    return found


def _denial(number: int, stopped: bool, attack: str) -> dict[str, Any]:
    mark = f"~{attack}" if attack else ""
    return {
        "case": f"l{number}{mark}",
        "target": "door-code",
        "kind": "lookalike",
        "family": "abc"[number % 3],
        "attack": attack,
        "stopped": stopped,
    }
