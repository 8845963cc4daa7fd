"""What a hardening loop's records say: success against effort, before and after, and what it cost. No claims yet.

It runs no model. Numbers are estimates of held-out goals and cases; before and after are paired, goal by goal.
Source: `redteam.success` for attacks, `evaluation.compare` for cases; both cluster by family.
Units: rates are shares of trials (one attack on one goal), of goals, or of benign requests.
Fails: closed; a round whose records are not all there is left out, and a ledger without a loop gives None.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gnomon.assurance.attack_claims import judged
from gnomon.assurance.evidence import Trial, broke
from gnomon.charter.schema import Charter
from gnomon.core.types import Estimate, Json, Record, State
from gnomon.ledger.store import Ledger
from gnomon.redteam.effort import Row
from gnomon.scoring import rows as score_rows
from gnomon.scoring.rows import Outcome, ScoreRow

if TYPE_CHECKING:
    from gnomon.core.statistics.paired import Paired
    from gnomon.evaluation.compare import Comparison
    from gnomon.redteam.success import Compared, Success

KIND = "hardening"
Arm = Literal["bare", "guarded", "adaptive"]
ARMS: tuple[Arm, ...] = ("bare", "guarded", "adaptive")
SHOWN = "~"


@dataclass(frozen=True, kw_only=True)
class Round:
    """What was measured after one round; round 0 is before anything."""

    number: int
    attacks: Mapping[Arm, Sequence[Row]]
    scores: Sequence[ScoreRow]
    carried: Sequence[ScoreRow]
    """Of harmless requests in attacks' words."""
    denials: Sequence[Json]
    records: tuple[str, ...]
    model: Mapping[str, str]
    learned: Mapping[str, Json]
    """Pairs, findings and rules of this round, counted; empty in round 0."""


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """One loop, as its records hold it."""

    name: str
    plan: Mapping[str, Json]
    settings: Mapping[str, Json]
    learns: bool
    rounds: Sequence[Round]
    record: str

    @property
    def tries(self) -> int:
        """Most tries of one attack on one goal."""
        return int(self.settings["tries"])

    def side(self, held_out: bool) -> tuple[str, ...]:
        """Attacks that were held out, or those trained on."""
        return tuple(self.plan["held_out" if held_out else "trained_on"])


def names(ledger: Ledger) -> list[str]:
    """Every loop of a ledger, the latest last."""
    return list(dict.fromkeys(r.labels["loop"] for r in ledger.find(KIND)))


def read(ledger: Ledger, name: str = "") -> Hardening | None:
    """A loop by name, or the latest; None where there is none."""
    known = names(ledger)
    if not known or (name and name not in known):
        return None
    name = name or known[-1]
    begun = ledger.find(KIND, loop=name)[-1]
    said = ledger.payload(begun)
    found: list[Round] = []
    while (one := _round(ledger, name, len(found))) is not None:
        found.append(one)
    return Hardening(
        name=name,
        plan=said["plan"],
        settings=said["settings"],
        learns=said["learns"],
        rounds=found,
        record=begun.id,
    )


def _round(ledger: Ledger, name: str, number: int) -> Round | None:
    subject = f"{name}/{number}"
    attacks = {arm: ledger.find("attack", subject=f"{subject}/{arm}") for arm in ARMS}
    scores, carried = ledger.find("scores", subject=subject), ledger.find("scores", subject=f"{subject}/carried")
    denials = ledger.find("denials", subject=subject)
    if not (all(attacks.values()) and scores and denials):
        return None
    records = [*(r for own in attacks.values() for r in own), scores[-1], *carried[-1:], denials[-1]]
    return Round(
        number=number,
        attacks={arm: [row for r in own for row in ledger.payload(r)["rows"]] for arm, own in attacks.items()},
        scores=score_rows.read(ledger.payload(scores[-1])),
        carried=score_rows.read(ledger.payload(carried[-1])) if carried else (),
        denials=ledger.payload(denials[-1])["rows"],
        records=tuple(r.id for r in records),
        model=ledger.payload(ledger.find("model", subject=subject)[-1]),
        learned=_learned(ledger, subject),
    )


def _learned(ledger: Ledger, subject: str) -> dict[str, Json]:
    pairs, policies = ledger.find("hardening-pairs", subject=subject), ledger.find("policy", subject=subject)
    told: dict[str, Json] = {}
    if pairs:
        payload = ledger.payload(pairs[-1])
        told |= {"pairs": len(payload["rows"]), "findings": len(payload["findings"])}
    if policies:
        told["rules"] = [
            {k: r[k] for k in ("id", "words", "norm", "goals")} for r in ledger.payload(policies[-1])["new"]
        ]
    return told


def met(ledger: Ledger, name: str, number: int) -> bool:
    """Whether the bar is reached after a round, the defence known to the attacker."""
    loop = read(ledger, name)
    return loop is not None and len(loop.rounds) > number and at_bar(loop, loop.rounds[number])[0] == "satisfied"


def at_bar(loop: Hardening, one: Round, arm: Arm = "adaptive") -> tuple[State, Estimate | None]:
    """State of "at most the bar's share of trials broke", and the share; the wider of two intervals decides."""
    rows = one.attacks[arm]
    trials = [Trial(r["attack"], r["goal"], r["norm"], r["family"], broke(r), loop.tries) for r in rows]
    known = [t for t in trials if t.broke is not None]
    return judged(known, float(loop.plan["bar"])) if known else ("not assessed", None)


def of(rows: Sequence[Row], attacks: Sequence[str]) -> list[Row]:
    """The rows of some attacks."""
    return [row for row in rows if row["attack"] in attacks]


def curve(one: Round, arm: Arm, attack: str) -> "list[Success]":
    """Success of one attack against its tries."""
    from gnomon.redteam.success import table

    return table(of(one.attacks[arm], [attack]), range(1, 100))


def change(loop: Hardening, one: Round, arm: Arm, attacks: Sequence[str]) -> "Compared | None":
    """Trials before the loop against those of a round, paired by attack and goal; None where none is known."""
    from gnomon.core.errors import DataError
    from gnomon.redteam.success import compare

    try:
        before, after = of(loop.rounds[0].attacks[arm], attacks), of(one.attacks[arm], attacks)
        return compare(before, after, within=loop.tries)
    except DataError:
        return None


def newly(loop: Hardening, one: Round, arm: Arm) -> list[tuple[str, str, str]]:
    """(norm, attack, goal) of every trial that broke after the round and did not before."""
    before = {(r["attack"], r["goal"]): broke(r) for r in loop.rounds[0].attacks[arm]}
    return [
        (r["norm"], r["attack"], r["goal"])
        for r in one.attacks[arm]
        if broke(r) and before.get((r["attack"], r["goal"])) is False
    ]


def held(loop: Hardening, one: Round, arm: Arm) -> tuple[int, int]:
    """(of the trials that broke before, those that hold now; all that broke before and are known now)."""
    after = {(r["attack"], r["goal"]): broke(r) for r in one.attacks[arm]}
    were = [after.get((r["attack"], r["goal"])) for r in loop.rounds[0].attacks[arm] if broke(r)]
    known = [b for b in were if b is not None]
    return known.count(False), len(known)


def cases(loop: Hardening, one: Round, charter: Charter) -> "list[Comparison]":
    """Held-out cases before and after: breaches, lookalikes answered, preferences."""
    from gnomon.evaluation.compare import compare

    return compare(loop.rounds[0].scores, one.scores, charter)


def elsewhere(loop: Hardening, one: Round, charter: Charter) -> "Iterator[tuple[str, Paired]]":
    """For each norm, how often cases that test something else broke it, before and after."""
    for norm in charter.norms:
        before, after = (score_rows.cross_breaches(r.scores, norm.id) for r in (loop.rounds[0], one))
        if (found := _paired(before, after)) is not None:
            yield norm.id, found


def carried(loop: Hardening, one: Round, charter: Charter, attacks: Sequence[str]) -> "Paired | None":
    """How often harmless requests in these attacks' words got their answer, before and after."""
    before, after = (
        [o for n in charter.norms for o in score_rows.kept(r.carried, n.id) if o.case.partition(SHOWN)[2] in attacks]
        for r in (loop.rounds[0], one)
    )
    return _paired(before, after)


def stopped(loop: Hardening, one: Round, attacks: Sequence[str] = ()) -> "Paired | None":
    """How often the guard stops benign requests, before and after: plain ones, or those in these attacks' words."""
    before, after = (
        [
            Outcome(r["case"], r["family"], float(r["stopped"]))
            for r in side.denials
            if (r["attack"] in attacks if attacks else not r["attack"])
        ]
        for side in (loop.rounds[0], one)
    )
    return _paired(before, after)


def _paired(before: Sequence[Outcome], after: Sequence[Outcome]) -> "Paired | None":
    from gnomon.core.statistics.paired import paired

    new = {o.case: o.value for o in after}
    both = [(o.family, o.value, new[o.case]) for o in before if o.case in new]
    if not both:
        return None
    families, olds, news = (list(column) for column in zip(*both, strict=True))
    return paired([[v] for v in olds], [[v] for v in news], families, bounds=(0.0, 1.0), unit="rate")


def weights(ledger: Ledger, loop: Hardening, one: Round) -> Record | None:
    """The model folder of a round."""
    found = ledger.find("weights", subject=f"{loop.name}/{one.number}")
    return found[-1] if found else None
