"""One search as work that can be done here, in other processes or on a cluster, and the records that come of it.

Here all goals are one search; elsewhere shards of goals are searched side by side, each with its share of the run's
budget, and with a bandit a shard for each norm. Every worker keeps its answers as they come, in the run's folder.
Repeats are the same search from other seeds; only the first is what claims are made of.
Fails: closed; an endpoint whose rate or budget several workers could not keep is a SettingsError.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gnomon.charter.policy import Policy
from gnomon.charter.schema import Norm
from gnomon.cli.settings import RunSettings
from gnomon.core.canonical import code_digest, from_builtins, to_builtins
from gnomon.core.protocols import Attack, Budget, Goal, Model, Quiet, Sampling, Sink
from gnomon.core.seeds import stream
from gnomon.core.types import Json, Transcript
from gnomon.executor import places
from gnomon.executor.answers import Store
from gnomon.guard.model import Guarded
from gnomon.models.endpoint import Endpoint
from gnomon.redteam.effort import best, total_spent
from gnomon.redteam.search import Plan, Spent, search_all
from gnomon.redteam.spending import Prices, Whole
from gnomon.scoring import judge

GOALS_AT_ONCE = 32
"""Goals of one shard where shards are searched elsewhere; part of the identity of a run, so it is no setting."""


def budget_of(settings: RunSettings) -> Budget:
    """What one attack may spend on one goal."""
    return Budget(tries=settings.tries, seconds=settings.goal_seconds, money=settings.goal_money)


def plan_of(settings: RunSettings) -> Plan:
    """How the search goes about its goals, and what all of it may spend."""
    return Plan(
        allocation=settings.allocation,
        bandit_even=settings.bandit_even,
        stop_below=settings.stop_below,
        whole=Whole(
            tries=settings.run_tries,
            tokens=settings.run_tokens,
            seconds=settings.run_seconds,
            money=settings.run_money,
        ),
        prices=Prices(
            target_in=settings.price_in,
            target_out=settings.price_out,
            attacker_in=settings.attacker_price_in,
            attacker_out=settings.attacker_price_out,
        ),
    )


def judge_of(norms: Sequence[Norm]) -> Callable[[str, Transcript], judge.Judged]:
    """A norm's own detector as the judge of attacks."""
    built = {n.id: (judge.build(n.detector.kind, n.detector.settings), n.breach_at) for n in norms}

    def decides(norm: str, transcript: Transcript) -> judge.Judged:
        dimension, at = built[norm]
        return judge.judged(dimension, transcript, at)

    return decides


@dataclass(frozen=True, kw_only=True)
class Strike:
    """A search of one shard's goals; it can be sent to another process."""

    model: Model
    policy: Policy | None
    """The guard in front; None: none."""
    norms: tuple[Norm, ...]
    attacks: Mapping[str, Attack]
    attacker: Model | None
    budget: Budget
    plan: Plan
    sampling: Sampling
    seed: int
    folder: Path
    """Where answers are kept."""
    told: Callable[[int, int], None] | None = None
    """Takes how many of how many attacks on goals are over; None where the work is done elsewhere."""

    def __call__(self, shard: Json, /) -> Json:
        """Rows, the guard's decisions, and why it ended."""
        goals = [from_builtins(goal, Goal) for goal in shard["goals"]]
        target = Guarded(model=self.model, policy=self.policy) if self.policy else self.model
        repeat, part, spent = shard["repeat"], shard["part"], Spent()
        plan = self.plan if part == 1 else replace(self.plan, whole=self.plan.whole.share(part))
        total = len(goals) * len(self.attacks)
        with Store.open(self.folder) as store:
            rows = list(
                search_all(
                    attacks=self.attacks,
                    goals=goals,
                    model=target,
                    judge=judge_of(self.norms),
                    budget=self.budget,
                    sampling=self.sampling,
                    seed=stream(self.seed, "repeat", repeat) if repeat else self.seed,
                    attacker=self.attacker,
                    # The defence is known to the attacker: behind the guard, too, it may work on the weights.
                    inside=self.model if hasattr(self.model, "tokenizer") else None,
                    plan=plan,
                    store=store,
                    spent=spent,
                    done=(lambda n: self.told(n, total)) if self.told is not None else None,  # type: ignore[misc]
                )
            )
        decisions = target.drain() if isinstance(target, Guarded) else []
        attacks, places_ = list(self.attacks), {g.id: i for i, g in enumerate(goals)}
        # In the order of the question: that of the answers is the endpoint's.
        rows.sort(key=lambda row: (attacks.index(row["attack"]), places_[row["goal"]]))
        decisions.sort(key=lambda row: (row["transcript"], row["stage"]))
        return {"rows": rows, "decisions": decisions, "ended": spent.ended}


@dataclass(frozen=True)
class Struck:
    """What all shards came to."""

    rows: list[Json]
    """Of the first repeat."""
    repeats: list[list[Json]]
    """Of the others."""
    decisions: list[Json]
    ended: tuple[str, ...]
    """Budgets of the run that ended a shard."""


def struck(strike: Strike, goals: Sequence[Goal], *, settings: RunSettings, on: str, work: Path, sink: Sink) -> Struck:
    """Search everything, where `on` says."""
    shards = _shards(goals, settings, apart=on not in ("", "local"))
    if on not in ("", "local"):
        for model in (strike.model, strike.attacker):
            if isinstance(model, Endpoint):
                model.apart()
    key = {
        "task": "run/attack",
        "attacks": to_builtins(strike.attacks),
        "attacker": dict(strike.attacker.identity) if strike.attacker else {},
        "model": dict(strike.model.identity),
        "policy": to_builtins(strike.policy),
        "norms": [n.model_dump(mode="json") for n in strike.norms],
        "sampling": to_builtins(strike.sampling),
        "budget": to_builtins(strike.budget),
        "plan": to_builtins(strike.plan),
        "seed": strike.seed,
        "code": code_digest(),
    }
    executor = places.executor(on, folder=work / "shards", sink=sink if on not in ("", "local") else Quiet())
    results = [
        (s["repeat"], r.value) for s, r in zip(shards, executor.map(task=strike, shards=shards, key=key), strict=True)
    ]
    repeats = [[row for n, v in results if n == repeat for row in v["rows"]] for repeat in range(settings.repeats)]
    return Struck(
        rows=repeats[0],
        repeats=repeats[1:],
        decisions=[row for n, v in results if n == 0 for row in v["decisions"]],
        ended=tuple(dict.fromkeys(v["ended"] for _, v in results if v["ended"])),
    )


def payloads(
    found: Struck, attacks: Sequence[str], *, budget: Budget, plan: Plan, more: Mapping[str, Json]
) -> list[Json]:
    """What the ledger keeps: a record an attack; of a bandit one in all, since only together its attacks mean a rate.

    There a trial is a goal under all attacks: the single ones stand under `lanes`.
    """
    said = {"budget": to_builtins(budget), "plan": to_builtins(plan), "ended": list(found.ended), **more}
    if plan.allocation == "bandit":
        most = budget.tries * len(attacks)  # of one goal, under all of them
        own: Json = {"attack": "bandit", **said, "most": most, "rows": best(found.rows), "lanes": found.rows}
        own |= {"repeats": found.repeats} if found.repeats else {}
        return [own | {"spent": total_spent(r for part in (found.rows, *found.repeats) for r in part)}]
    listed = []
    for name in attacks:
        rows = [r for r in found.rows if r["attack"] == name]
        repeats = [[r for r in part if r["attack"] == name] for part in found.repeats]
        spent = total_spent(r for part in (rows, *repeats) for r in part)
        own = {"attack": name, **said, "rows": rows, "spent": spent}
        listed.append(own | ({"repeats": repeats} if repeats else {}))
    return listed


def _shards(goals: Sequence[Goal], settings: RunSettings, *, apart: bool) -> list[dict[str, Any]]:
    groups: list[list[Goal]] = [list(goals)]
    if apart and (settings.allocation == "bandit" or settings.stop_below is not None):
        groups = [[g for g in goals if g.norm == norm] for norm in dict.fromkeys(g.norm for g in goals)]
    elif apart:
        groups = [list(goals[i : i + GOALS_AT_ONCE]) for i in range(0, len(goals), GOALS_AT_ONCE)]
    parts = settings.repeats * max(1, len(goals))
    return [
        {"repeat": repeat, "part": len(group) / parts, "goals": to_builtins(group)}
        for repeat in range(settings.repeats)
        for group in groups
        if group
    ]
