"""An attacker's model trained against a target: rounds of messages, replies, judgements and training; then a test.

The red team says what is tried and kept, the training room trains; here they take turns. Every round begins again from
the start model and learns what all rounds so far kept, so that a poor round does not stay in the weights. What was
tried and trained is found by its content and not done twice. `attacker_trained` is what `gnomon harden` may call.
Fails: where no message succeeds there is nothing to learn from: the result says so, and no model is written.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from gnomon.cli import aligning, aligning_offline, aligning_online, tuning
from gnomon.cli.checkpoints import Loop
from gnomon.cli.stages import Run, aims, breach_judge, sources
from gnomon.core import plugin
from gnomon.core import settings as core_settings
from gnomon.core.canonical import code_digest, from_builtins, to_builtins
from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attack, Budget, Goal, Model
from gnomon.core.seeds import stream
from gnomon.core.types import Json, Record
from gnomon.models.local import LocalModel
from gnomon.redteam import learning
from gnomon.redteam.attackers import begun
from gnomon.redteam.goals import goals as probe_goals
from gnomon.redteam.learning import Learning, Tried
from gnomon.redteam.search import search_all
from gnomon.redteam.success import Compared, compare
from gnomon.training import online
from gnomon.training.batches import PreferenceBatch
from gnomon.training.checkpoint import State
from gnomon.training.judged import Judged

GOALS_AT_ONCE = 8
"""Goals whose messages are tried in one batch, and kept together when the program is killed."""


class _Done(NamedTuple):
    """A training: where it stands, where its checkpoints lie, and the record of what it learned from."""

    state: State
    work: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Attacker:
    """What came of training an attacker."""

    folder: Path | None = None
    """The attacker as a model folder; None: nothing succeeded, so nothing was learned."""
    rounds: tuple[Json, ...]
    """What each round tried, broke and kept."""
    record: Record
    """The record of the weights, or of the round that taught nothing."""
    done: _Done | None = None


def settings_of(run: Run) -> Learning:
    """How attackers are trained: the run's `learn.` settings."""
    return core_settings.make(Learning, run.settings.learn, name="learn")


def attacker_trained(run: Run, *, target: Model, start: Model, folder: Path, title: str = "Attacker") -> Attacker:
    """Train `start` to break `target` on the charter's training goals, and write it below `folder`.

    `run` gives charter, settings (`method`, `steps`, `learn` and the like), ledger and progress; its model is not
    used. The target may be any model, also one behind the guard.
    """
    model = _apart(tuning.here(start, "the attacker"), target)
    loss = plugin.build("loss", run.settings.method, run.settings.loss_settings)
    if loss.READS in aligning.JUDGES:
        raise SettingsError(f"{run.settings.method} makes a judge; train an attacker with sft, dpo, grpo or the like")
    settings = settings_of(run)
    goals = probe_goals(run.cases("train", ["probe"]), per_norm=settings.goals_per_norm, split="train")
    train = _online if loss.READS in aligning.SAMPLED else _offline
    return train(run, target, model, goals, loss, folder, title)


def _apart(start: LocalModel, target: Model) -> LocalModel:
    """The start with weights of its own: while an attacker is trained, its target must stay what it is."""
    seen: Any = target
    while seen is not None:
        if getattr(seen, "model", None) is start.model:
            return replace(start, model=copy.deepcopy(start.model))
        seen = getattr(seen, "model", None)
    return start


def _offline(
    run: Run, target: Model, start: LocalModel, goals: Sequence[Goal], loss: Any, folder: Path, title: str
) -> Attacker:
    settings, seed = settings_of(run), run.settings.seed
    done: _Done | None = None
    rounds: list[Json] = []
    pool: list[Tried] = []
    for number in range(1, settings.rounds + 1):
        with _model(start, done, seed, f"attacker-{number - 1}") as attacker:
            found = tried(
                run,
                goals=goals,
                target=target,
                attacker=attacker,
                seed=stream(seed, "learn", number),
                title=f"{title}: messages of round {number}",
            )
        pool += found
        good = learning.kept(pool, settings)
        rows = learning.lessons(good, pool, goals, pairs=loss.READS is PreferenceBatch, seed=seed)
        rounds.append(told(found) | {"round": number, "kept": len(good), "learned from": len(rows)})
        record = run.ledger.append(
            kind="attempts",
            labels={"round": str(number)},
            payload={"round": rounds[-1], "rows": to_builtins(found), "lessons": rows},
            parents=sources(run, "before"),
        )
        if not rows:
            return Attacker(rounds=tuple(rounds), record=record)
        loop = aligning_offline.loop_settings(run, len(rows))
        work = folder / "work" / f"round-{number}"
        sink = Loop(run.stage(f"{title}: training of round {number}"), run.settings.steps)
        done = _Done(tuning.tuned(start, rows, loss=loss, loop=loop, folder=work, sink=sink), work, record)
    return _finished(run, start, done, folder, rounds)


def _online(
    run: Run, target: Model, start: LocalModel, goals: Sequence[Goal], loss: Any, folder: Path, title: str
) -> Attacker:
    """By an online method: the reward is the breach."""
    settings, decides = settings_of(run), breach_judge(run)
    by = {begun(goal.prompt.request).id: goal for goal in goals}
    loop = replace(
        aligning_online.loop_settings(run, loss),
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
    )

    def judged(answers: Sequence[Any]) -> list[Judged]:
        found = learning.earned(answers, by, model=target, judge=decides, sampling=run.settings.sampling)
        return [Judged(reward=reward, reason=reason) for reward, reason in found]

    work = folder / "work" / "online"
    with tuning.adapted(start, seed=run.settings.seed) as adapter:
        state = online.train(
            subject=start,
            adapter=adapter,
            prompts=[begun(goal.prompt.request) for goal in by.values()],
            judge=judged,
            loss=loss,
            settings=loop,
            folder=work,
            judged_by=[run.loaded.digest, dict(target.identity), to_builtins(run.settings.sampling)],
            sink=Loop(run.stage(f"{title}: {run.settings.method}"), loop.steps),
        )
    first, last = state.log[0], state.log[-1]
    rounds: list[Json] = [{"round": 1, "method": run.settings.method, "first": dict(first), "last": dict(last)}]
    record = run.ledger.append(
        kind="attempts", labels={"round": "1"}, payload={"round": rounds[0]}, parents=sources(run, "before")
    )
    return _finished(run, start, _Done(state, work, record), folder, rounds)


def _finished(run: Run, start: LocalModel, done: _Done | None, folder: Path, rounds: Sequence[Json]) -> Attacker:
    """Write the attacker, and record which attempts it was made of."""
    if done is None:
        raise SettingsError("learn: rounds must be at least 1")
    into = folder / "attacker"
    weights = run.ledger.append(
        kind="attacker",
        payload={
            "method": run.settings.method,
            "learn": asdict(settings_of(run)),
            "start": dict(start.identity),
            "log": to_builtins(done.state.log),
            "digest": done.state.checkpoints[-1].weights,
            "files": tuning.written(start, done.state, done.work, seed=run.settings.seed, into=into),
        },
        parents=[done.record.id],
    )
    return Attacker(folder=into, rounds=tuple(rounds), record=weights, done=done)


def _model(start: LocalModel, done: _Done | None, seed: int, name: str) -> AbstractContextManager[LocalModel]:
    """The attacker so far."""
    return nullcontext(start) if done is None else tuning.at(start, done.state, done.work, seed=seed, name=name)


def tried(
    run: Run,
    *,
    goals: Sequence[Goal],
    target: Model,
    attacker: Model | None,
    seed: int,
    title: str,
) -> list[Tried]:
    """`learn.copies` messages on each goal, answered by the target and judged by the norm's detector; resumed."""
    settings = settings_of(run)
    decides = breach_judge(run)
    drawing = learning.drawing(attacker, settings) if attacker is not None else None

    def strike(some: Sequence[Goal]) -> Json:
        return to_builtins(
            learning.tried(
                goals=some,
                copies=settings.copies,
                model=target,
                attacker=drawing,
                judge=decides,
                sampling=run.settings.sampling,
                seed=seed,
            )
        )

    key = {"task": "learn/tried", "learn": asdict(settings)}
    rows = _sharded(run, goals, strike, key, target, attacker, seed, title)
    return [from_builtins(row, Tried) for row in rows]


def searched(
    run: Run,
    *,
    goals: Sequence[Goal],
    target: Model,
    names: Sequence[str],
    attacker: Model | None,
    seed: int,
    title: str,
) -> list[Json]:
    """Other attacks on the same goals with as many tries, each stopped by its first break; resumed."""
    settings = settings_of(run)
    attacks: Mapping[str, Attack] = {n: plugin.build("attack", n, run.settings.attack.get(n, {})) for n in names}
    drawing = learning.drawing(attacker, settings) if attacker is not None else None

    def strike(some: Sequence[Goal]) -> Json:
        return list(
            search_all(
                attacks=attacks,
                goals=some,
                model=target,
                judge=breach_judge(run),
                budget=Budget(tries=settings.copies),
                sampling=run.settings.sampling,
                seed=seed,
                attacker=drawing,
                inside=target if hasattr(target, "tokenizer") else None,
            )
        )

    key = {"task": "learn/searched", "learn": asdict(settings), "attacks": to_builtins(attacks)}
    return _sharded(run, goals, strike, key, target, attacker, seed, title) if names else []


def _sharded(
    run: Run,
    goals: Sequence[Goal],
    strike: Callable[[Sequence[Goal]], Json],
    key: dict[str, Json],
    target: Model,
    attacker: Model | None,
    seed: int,
    title: str,
) -> list[Json]:
    """Rows of all goals, a few goals at once, each few only once."""
    whole = {
        **key,
        "attacker": dict(attacker.identity) if attacker is not None else {},
        "target": dict(target.identity),
        "charter": run.loaded.digest,
        "sampling": to_builtins(run.settings.sampling),
        "seed": str(seed),
        "code": code_digest(),
    }
    shards = [to_builtins(list(goals[i : i + GOALS_AT_ONCE])) for i in range(0, len(goals), GOALS_AT_ONCE)]
    results = run.executor(run.stage(title)).map(
        task=lambda shard: strike([from_builtins(goal, Goal) for goal in shard]), shards=shards, key=whole
    )
    return [row for result in results for row in result.value]


def told(rows: Sequence[Tried]) -> dict[str, Json]:
    """A round in numbers."""
    from gnomon.core.statistics import clustered

    known = [row for row in rows if row.outcome in learning.KNOWN]
    rate = clustered.rate([float(r.broke) for r in known], [r.family for r in known]) if known else None
    return {
        "messages": len(rows),
        "broke": to_builtins(rate),
        "unknown": len(rows) - len(known),
        "goals broken": len({r.goal for r in rows if r.broke}),
        "goals": len({r.goal for r in rows}),
        "diversity": to_builtins(learning.diversity(rows)),
    }


def compared(
    run: Run, *, target: Model, start: Model, trained: Attacker, lists: Sequence[str], helped: Sequence[str] = ()
) -> Json:
    """Trained against untrained attacker and fixed lists: held-out goals, a fresh seed, equally many tries a goal.

    `helped`: attacks that ask an attacker's model (as pair), run once with the trained and once with the untrained one.
    """
    settings, fresh = settings_of(run), stream(run.settings.seed, "learn", "held-out")
    goals = aims(run)
    model = _apart(tuning.here(start, "the attacker"), target)
    arms: dict[str, list[Tried]] = {}
    rows: dict[str, list[Json]] = {}
    for name, done in (("untrained", None), ("trained", trained.done)):
        with _model(model, done, run.settings.seed, "attacker") as attacker:
            title = f"Held-out goals: {name} attacker"
            arms[name] = tried(run, goals=goals, target=target, attacker=attacker, seed=fresh, title=title)
            rows[name] = learning.folded(arms[name], name)
            for row in searched(
                run, goals=goals, target=target, names=helped, attacker=attacker, seed=fresh, title=f"{title}, helped"
            ):
                rows.setdefault(f"{row['attack']}, {name}", []).append({**row, "attack": f"{row['attack']}, {name}"})
    for row in searched(
        run, goals=goals, target=target, names=lists, attacker=None, seed=fresh, title="Held-out goals: fixed lists"
    ):
        rows.setdefault(row["attack"], []).append(row)
    for name, own in rows.items():
        run.ledger.append(
            kind="attack",
            labels={"subject": "before", "attack": name},
            payload={"attack": name, "budget": to_builtins(Budget(tries=settings.copies)), "rows": own},
            parents=[trained.record.id],
        )
    return {
        "goals": len(goals),
        "tries": settings.copies,
        "rows": [row for own in rows.values() for row in own],
        "arms": {name: told(own) for name, own in arms.items()},
        "a message, trained less untrained": to_builtins(learning.per_message(arms["untrained"], arms["trained"])),
        "a goal, trained less": to_builtins(_versus(rows, settings.copies)),
    }


def _versus(rows: Mapping[str, Sequence[Json]], within: int) -> dict[str, Compared]:
    """Goals that broke, of each arm against the trained attacker's; inside an attack against the same attack's."""
    same = {name: [{**row, "attack": "any"} for row in own] for name, own in rows.items()}
    found = {}
    for name, own in same.items():
        attack, inside, side = name.partition(", ")
        rival = f"{attack}, trained" if inside else "trained"
        if name != rival and side != "trained":
            found[name] = compare(own, same[rival], within=within)
    return found
