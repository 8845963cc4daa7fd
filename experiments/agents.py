"""Attacks on agents with and without a guard: AgentDojo's four suites and BIPIA's documents; no key, no network.

    python experiments/agents.py [--part PART ...] [--quick] [--json]

Two scripted agents bound what any agent can do: one obeys every foreign text that holds the words of an injection task,
one obeys none; both solve the user's task as the suite publishes it, and give it up where the guard stops one of its
steps. `knowing` is an attacker who has the guard's classifier. The embedded model does a small part. `checks` holds the
numbers against AgentDojo's own: counts of tasks, its published solutions, and its own benchmark over our pipeline, pair
by pair. A part that was killed goes on (--work). The guard's classifier was fitted to rows of bipia-train, and to the
user tasks of AgentDojo as benign ones, so that its figures are not those of new texts.
Writes docs/experiments/agents.json, a part at a time.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gnomon.cli.agent_runs import Plan, run, staged
from gnomon.cli.agents import summary
from gnomon.cli.environment import environment
from gnomon.core import plugin
from gnomon.core.files import write_atomic
from gnomon.core.protocols import Attempt, Budget, Goal, Reply
from gnomon.core.types import Score
from gnomon.executor.local import Local
from gnomon.guard import linear
from gnomon.models.load import load
from gnomon.redteam.agents import dojo, episode, scripted, target

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "experiments" / "agents.json"
DATA = ROOT.parent / "shared" / "data" / "bipia-train"
GUARDS = ("", "screens", "taint", "both")
ATTACKS = ("tool_injection", "injection", "indirect", "converted")
TRIES = 3


def checks(name: str) -> Callable[[bool, Path], dict[str, Any]]:
    """Counts of tasks, published solutions, and AgentDojo's own benchmark over our pipeline against our own runs."""

    def part(quick: bool, work: Path) -> dict[str, Any]:
        suite = dojo.opened(name)
        agent = scripted.agent(suite, "ignoring", obeys=False)
        users = suite.users[:3] if quick else suite.users
        solved = [episode.play(suite, agent, user=user).utility for user in users]
        return {
            "package": "agentdojo 0.1.35",
            "version": dojo.VERSION,
            "user_tasks": len(suite.users),
            "injection_tasks": len(suite.errands),
            "pairs": len(suite.users) * len(suite.errands),
            "without_published_solution": sum(not suite.solved(e) for e in suite.errands),
            "published_solution_gives_utility": [sum(solved), len(solved)],
            "places_as_the_package_finds_them": _places(suite),
            "benchmark": _benchmark(suite, quick),
        }

    return part


def _places(suite: dojo.Suite) -> bool:
    theirs = dojo.part("attacks.base_attacks").FixedJailbreakAttack("", suite.inner, None)
    return all(list(suite.places(u)) == theirs.get_injection_candidates(suite.task(u)) for u in suite.users)


def _benchmark(suite: dojo.Suite, quick: bool) -> dict[str, Any]:
    """Both verdicts of every pair: AgentDojo's `benchmark_suite_with_injections` and ours."""
    users, errands = (suite.users[:2], suite.errands[:2]) if quick else (suite.users, suite.errands)
    users = users[:: {"travel": 4, "workspace": 8}.get(suite.name, 1)]
    agent = scripted.agent(suite, "obeying", obeys=True)

    def texts(user: str, errand: str) -> dict[str, str]:
        return dict.fromkeys(suite.places(user), suite.goal(errand))

    attack = SimpleNamespace(is_dos_attack=False, name="ours", attack=lambda user, errand: texts(user.ID, errand.ID))
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        dojo.part("logging").OutputLogger(folder),
    ):
        theirs = dojo.part("benchmark").benchmark_suite_with_injections(
            episode.pipeline(agent, episode.Log()), suite.inner, attack, None, True, users, errands, verbose=False
        )
    ours = {(u, e): episode.play(suite, agent, user=u, errand=e, texts=texts(u, e)) for u in users for e in errands}
    same = sum(
        found.utility == theirs["utility_results"][pair] and found.targeted == theirs["security_results"][pair]
        for pair, found in ours.items()
    )
    return {"pairs": len(ours), "same_verdicts": same, "targeted": sum(f.targeted for f in ours.values())}


def suite(name: str, attack: str) -> Callable[[bool, Path], dict[str, Any]]:
    """Both scripted agents in one suite under one attack, without a guard and behind each policy."""

    def part(quick: bool, work: Path) -> dict[str, Any]:
        found = {}
        for agent in ("obeying", "ignoring") if attack == "tool_injection" else ("obeying",):
            plan = Plan(
                suite=f"agentdojo/{name}",
                model=f"scripted:{agent}",
                attacks=(attack,),
                tries=TRIES if agent == "obeying" else 1,
                users=3 if quick else 0,
                errands=2 if quick else 0,
            )
            found[agent] = _sides(plan, GUARDS, work)
        return found

    return part


@dataclass(frozen=True, kw_only=True)
class Knowing:
    """An attack that knows the guard: of other attacks' texts those that its classifier finds least suspicious."""

    pool: tuple[str, ...] = ATTACKS
    each: int = 12
    """Texts of each attack that are looked at."""

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Attempt, Reply, None]:
        looked = [a for name in self.pool for a in _drawn(name, goal, self.each, seed)]
        readable = [a for a in looked if scripted.held(target.foreign(a.prompt), goal.prompt.request)]
        ranked = sorted(readable, key=lambda a: linear.scores(target.foreign(a.prompt)).injection)
        for attempt in ranked[: budget.tries]:
            reply = yield replace(attempt, note=f"knowing {attempt.note}")
            if reply.breached:
                return


def _drawn(name: str, goal: Goal, most: int, seed: int) -> list[Attempt]:
    """What an attack would try if nothing worked."""
    steps = plugin.build("attack", name).propose(goal=goal, budget=Budget(tries=most), seed=seed)
    found: list[Attempt] = []
    reply: Any = None
    with contextlib.suppress(StopIteration):
        while True:
            step = next(steps) if reply is None else steps.send(reply)
            if isinstance(step, Attempt):
                found.append(step)
                reply = Reply(transcript=step.prompt.answered("No."), score=Score(value=0.0), breached=False)
    return found


def knowing(name: str) -> Callable[[bool, Path], dict[str, Any]]:
    """The obeying agent under the attack that knows the guard."""

    def part(quick: bool, work: Path) -> dict[str, Any]:
        plan = Plan(
            suite=f"agentdojo/{name}",
            model="scripted:obeying",
            attacks=(),
            tries=TRIES,
            users=3 if quick else 0,
            errands=2 if quick else 0,
        )
        return {"obeying": _sides(plan, ("", "screens", "both"), work, attacks={"knowing": Knowing()})}

    return part


def documents(kind: str) -> Callable[[bool, Path], dict[str, Any]]:
    """Both scripted agents on BIPIA's documents, as the instructions stand and under notes, behind the screens."""

    def part(quick: bool, work: Path) -> dict[str, Any]:
        found = {}
        for agent in ("obeying", "ignoring"):
            plan = Plan(
                suite=f"bipia/{kind}",
                model=f"scripted:{agent}",
                attacks=("direct", "tool_injection"),
                settings={"direct": {"repeats": TRIES}},
                tries=TRIES,
                users=4 if quick else 50,
                errands=1 if quick else 2,
                data=str(DATA),
            )
            found[agent] = _sides(plan, ("", "screens"), work)
        return found

    return part


def embedded(name: str, **settings: Any) -> Callable[[bool, Path], dict[str, Any]]:
    """The embedded model in a small part of a suite, without a guard and behind one."""

    def part(quick: bool, work: Path) -> dict[str, Any]:
        model = load(None, cache=environment(None).home)
        plan = Plan(suite=name, data=str(DATA), **{**settings, **({"users": 1, "errands": 1} if quick else {})})
        return {"embedded": _sides(plan, ("", "both" if name.startswith("agentdojo") else "screens"), work, model)}

    return part


def _sides(
    plan: Plan, guards: tuple[str, ...], work: Path, model: Any = None, attacks: Any = None
) -> list[dict[str, Any]]:
    """Estimates of a plan without a guard, then behind each, with what it changed; `late`: stops for being slow."""
    stage = staged(plan, model)
    stage = stage if attacks is None else replace(stage, attacks=attacks)
    bare = run(stage, Local(work))
    told = []
    for guard in guards:
        made = run(stage, Local(work), guard) if guard else bare
        found = summary([bare, made] if guard else [bare])
        stops = [why for o in (*made.quiet, *(o for r in made.rows for o in r["each"])) for why in _stops(o)]
        late = sum(why.startswith("deadline") for why in stops)
        told.append({**found["sides"][-1], "late": late, **({"change": found["change"]} if guard else {})})
    return told


def _stops(outcome: dict[str, Any]) -> list[str]:
    return [*outcome["stopped"], *outcome["withheld"]]


PARTS: dict[str, Callable[[bool, Path], dict[str, Any]]] = {
    **{f"checks/{name}": checks(name) for name in dojo.NAMES},
    **{f"{name}/{attack}": suite(name, attack) for name in ("banking", "slack", "travel") for attack in ATTACKS},
    **{f"{name}/knowing": knowing(name) for name in ("banking", "slack")},
    **{f"workspace/{attack}": suite("workspace", attack) for attack in ("tool_injection", "converted")},
    **{f"bipia/{kind}": documents(kind) for kind in ("email", "table", "code")},
    "embedded/banking": embedded(
        "agentdojo/banking", attacks=("tool_injection",), users=3, errands=1, turns=2, max_new_tokens=48
    ),
    "embedded/email": embedded("bipia/email", attacks=("direct", "tool_injection"), users=10, max_new_tokens=64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="default: all")
    parser.add_argument("--quick", action="store_true", help="a few tasks; writes nothing")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "experiment-agents", help="what is done so far")
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for name in given.part or PARTS:
        began = time.perf_counter()
        found = PARTS[name](given.quick, given.work)
        results[name] = {"seconds": round(time.perf_counter() - began, 1), **found}
        if not given.quick:
            known = json.loads(OUT.read_text()) if OUT.exists() else {}
            write_atomic(OUT, _lines({**known, name: results[name]}))
        if not given.json:
            print(f"{name}: {results[name]['seconds']} s", file=sys.stderr)
            _table(results[name])
    if given.json:
        print(json.dumps(results, indent=1))


def _lines(results: dict[str, Any]) -> str:
    """A part a line, numbers to six places."""
    parts = [
        f"{json.dumps(name)}: {json.dumps(_short(found), sort_keys=True)}" for name, found in sorted(results.items())
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    return round(value, 6) if isinstance(value, float) else value


def _table(found: dict[str, Any]) -> None:
    for agent in ("obeying", "ignoring", "embedded"):
        for side in found.get(agent, ()):
            made = side["measures"]
            for attack, within in made["success"].items():
                rates = ", ".join(f"{w['rate']['value']:.3f} in {w['within']}" for w in within if w["rate"])
                under = made["under_attack"].get(attack, {}).get("value", float("nan"))
                print(
                    f"  {agent:<9} {side['guard']:<8} {attack:<15} utility {made['utility']['value']:.3f}, "
                    f"under attack {under:.3f}; success {rates}; {side['pairs']} pairs"
                )
    if "benchmark" in found:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
