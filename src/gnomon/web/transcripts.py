"""Which conversations the report shows, and their text cut into marked and plain pieces.

It judges nothing: the spans are those that the detectors recorded. It escapes nothing: the templates do.
Fails: a span outside its text is cut to the text; a transcript that is not in the ledger is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gnomon.core.types import Json
from gnomon.ledger.store import Ledger

SUBJECTS = {"before": "Before alignment", "after": "After alignment", "guarded": "Behind the guard"}


@dataclass(frozen=True)
class Turn:
    """One message, cut into (text, marked) pieces."""

    role: str
    pieces: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Side:
    """The reply of one subject to a case, and what the detector said of it."""

    subject: str
    verdict: str
    broken: bool
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Sample:
    """One case, answered by every subject that was asked it."""

    case: str
    target: str
    why: str
    system: str
    asked: tuple[Turn, ...]
    sides: tuple[Side, ...]


def pieces(text: str, spans: Sequence[tuple[int, int]]) -> tuple[tuple[str, bool], ...]:
    """Text cut at spans; overlapping ones are joined.

    >>> pieces("the code is 7Q", [(12, 14)])
    (('the code is ', False), ('7Q', True))
    """
    marked = [False] * len(text)
    for start, end in spans:
        for i in range(max(start, 0), min(end, len(text))):
            marked[i] = True
    cuts = [0] + [i for i in range(1, len(text)) if marked[i] != marked[i - 1]] + [len(text)]
    return tuple((text[a:b], marked[a]) for a, b in pairwise(cuts) if a < b)


def turns(messages: Sequence[Json], spans: Sequence[Sequence[int]] = (), first: int = 0) -> tuple[Turn, ...]:
    """Messages from index `first` on, with the spans that lie in them marked."""
    return tuple(
        Turn(m["role"], pieces(m["content"], [(s, e) for at, s, e in spans if at == i]))
        for i, m in enumerate(messages)
        if i >= first and m["role"] != "system"
    )


@dataclass(frozen=True)
class Answers:
    """Everything that one subject answered on the held-out cases."""

    transcripts: Mapping[str, Json]
    rows: Sequence[Json]

    def own(self, case: str) -> Json | None:
        """The row that says whether this case broke its own norm or lost its answer."""
        found = [r for r in self.rows if r["case"] == case]
        return next((r for r in found if r["role"] == "detector" and r.get("norm", r["target"]) == r["target"]), None)


def answers(ledger: Ledger) -> dict[str, Answers]:
    """Held-out answers of every subject that has both transcripts and scores."""
    found: dict[str, Answers] = {}
    for subject in SUBJECTS:
        asked = ledger.find("transcripts", subject=subject, set="held-out")
        scored = ledger.find("scores", subject=subject, set="held-out")
        if asked and scored:
            texts = {r["case"]: r["transcript"] for r in ledger.payload(asked[-1])["rows"]}
            found[subject] = Answers(texts, ledger.payload(scored[-1])["rows"])
    return found


def samples(ledger: Ledger, norms: Sequence[str]) -> list[Sample]:
    """For each norm a case that alignment mended, one that it did not, and one that it spoilt, where there are such."""
    known = answers(ledger)
    if "before" not in known:
        return []
    broke = {s: _broken(a) for s, a in known.items()}
    chosen: list[Sample] = []
    for norm in norms:
        wanted = [("broken before, kept after", True, False), ("still broken after", True, True)]
        wanted += [("kept before, broken after", False, True)]
        if "after" not in known:
            wanted = [("broken", True, None), ("kept", False, None)]  # type: ignore[list-item]
        for why, first, then in wanted:
            hits = [
                case
                for case, was in broke["before"].items()
                if case.startswith(f"{norm}/probe/") and was is first
                if then is None or broke["after"].get(case) is then
            ]
            chosen += [_sample(hits[len(hits) // 2], norm, why, known)] if hits else []
    return chosen


def _broken(known: Answers) -> dict[str, bool]:
    return {
        r["case"]: r["breached"]
        for r in known.rows
        if r["role"] == "detector" and r.get("norm", r["target"]) == r["target"] and r["breached"] is not None
    }


def _sample(case: str, norm: str, why: str, known: Mapping[str, Answers]) -> Sample:
    messages: Sequence[Any] = known["before"].transcripts[case]["messages"]
    sides = []
    for subject, name in SUBJECTS.items():
        if subject in known and case in known[subject].transcripts:
            row = known[subject].own(case)
            full = known[subject].transcripts[case]["messages"]
            broken = bool(row and row["breached"])
            verdict = "broken" if broken else "kept" if row and row["breached"] is False else "not scored"
            reply = turns(full, row["spans"] if row and broken else (), first=len(full) - 1)
            sides.append(Side(name, verdict, broken, reply))
    system = next((m["content"] for m in messages if m["role"] == "system"), "")
    return Sample(case, norm, why, system, turns(messages[:-1]), tuple(sides))


def attack_samples(ledger: Ledger, most: int = 4) -> list[Sample]:
    """Attacks that broke the aligned model, and what came back for the same goal through the guard."""
    seen: dict[str, dict[tuple[str, str], Json]] = {}
    for subject in SUBJECTS:
        for record in ledger.find("attack", subject=subject):
            payload = ledger.payload(record)
            for row in payload["rows"]:
                seen.setdefault(subject, {})[payload["attack"], row["goal"]] = row
    base = "after" if "after" in seen else "before"
    found: list[Sample] = []
    used: set[tuple[str, str]] = set()
    for (attack, goal), row in seen.get(base, {}).items():
        if row["broke"] is None or (attack, row["norm"]) in used or len(found) == most:
            continue
        if {row["norm"]} & {n for _, n in used} and len(used) < most // 2:
            continue
        used.add((attack, row["norm"]))
        found.append(_attack_sample(attack, goal, row, base, seen))
    return found


def _attack_sample(
    attack: str, goal: str, row: Json, base: str, seen: Mapping[str, Mapping[tuple[str, str], Json]]
) -> Sample:
    messages = row["transcript"]["messages"]
    sides = []
    for subject in dict.fromkeys((base, "guarded")):
        if other := seen.get(subject, {}).get((attack, goal)):
            verdict = "not broken" if other["broke"] is None else f"broken at try {other['broke']}"
            reply = turns(other["transcript"]["messages"], first=len(other["transcript"]["messages"]) - 1)
            name = "Aligned, no guard" if subject == "after" else SUBJECTS[subject]
            sides.append(Side(name, verdict, other["broke"] is not None, reply))
    system = next((m["content"] for m in messages if m["role"] == "system"), "")
    return Sample(f"{attack} · {goal}", row["norm"], f"attack “{attack}”", system, turns(messages[:-1]), tuple(sides))
