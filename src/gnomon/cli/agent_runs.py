"""Agents under attack, with and without a guard: from a suite and a model to rows, a shard a user task or document.

It puts the agents of `redteam` behind the gate of `agent_guard`, and prints nothing. What is done is found by its
content and not done twice, so that a killed run goes on.
Units: `users` and `errands` bound how many tasks of each kind are taken, in the suite's order; 0 = all.
Fails: closed; a suite, model, policy or attack that does not exist is a SettingsError before anything runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gnomon.cli.agent_guard import Guarding, guarding
from gnomon.core import plugin
from gnomon.core.canonical import code_digest, to_builtins
from gnomon.core.errors import SettingsError, choices
from gnomon.core.protocols import Attack, Budget, Executor, Model, Sampling
from gnomon.core.types import Json
from gnomon.redteam.agents import documents, dojo, scripted, target
from gnomon.redteam.agents.episode import Agent, Gate, open_gate

DOJO, BIPIA = "agentdojo", "bipia"
SCRIPTED = "scripted:"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked of an agent."""

    suite: str
    """As `agentdojo/banking` or `bipia/email`."""
    model: str = "embedded"
    """`scripted:obeying`, `scripted:ignoring`, or what --model takes elsewhere."""
    attacks: Sequence[str] = ("tool_injection",)
    tries: int = 1
    """Most texts of one attack for one pair of tasks."""
    users: int = 0
    """User tasks, or documents, from the first on."""
    errands: int = 0
    """Injection tasks from the first on; of documents, instructions for each."""
    unsolved: bool = False
    """Whether injection tasks are taken whose solution the suite does not publish: no scripted agent can do them."""
    turns: int = 0
    """Most turns in which an agent uses tools; 0 = the suite's 15, and more for a scripted one."""
    max_new_tokens: int = 256
    data: str = ""
    """For bipia: the folder of its rows."""
    seed: int = 0
    settings: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Settings of attacks, by their names."""
    attacker: str = ""
    """The model that attacks may ask; empty: none."""

    @property
    def parts(self) -> tuple[str, str]:
        """Family and name of the suite. Raises SettingsError that lists them."""
        family, _, name = self.suite.partition("/")
        known = {DOJO: dojo.NAMES, BIPIA: documents.KINDS}
        if name not in known.get(family, ()):
            every = [f"{f}/{n}" for f, names in known.items() for n in names]
            raise SettingsError(f"no suite '{self.suite}'; {choices(self.suite, every)}")
        return family, name

    @property
    def script(self) -> str:
        """Name of the scripted agent; empty for a model."""
        name = self.model.removeprefix(SCRIPTED)
        return name if self.model.startswith(SCRIPTED) and name in scripted.NAMES else ""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one side came to."""

    guard: str
    """Name of the policy; empty: none."""
    quiet: list[dict[str, Json]]
    rows: list[dict[str, Json]]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A plan made ready: who is attacked, with what."""

    plan: Plan
    model: Model | None
    """None: a scripted agent."""
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    attacker: Model | None = None

    @property
    def budget(self) -> Budget:
        """What one attack may spend on one pair."""
        return Budget(tries=self.plan.tries)


def staged(plan: Plan, model: Model | None, attacker: Model | None = None) -> Stage:
    """Check a plan and build its attacks."""
    _ = plan.parts
    if model is None and not plan.script:
        raise SettingsError(f"'{plan.model}' is no scripted agent; {choices(plan.model, scripted.NAMES)}")
    if unused := plan.settings.keys() - set(plan.attacks):
        raise SettingsError(
            f"settings for '{min(unused)}', which is not among the attacks; write --attack {min(unused)}"
        )
    attacks = {n: plugin.build("attack", n, plan.settings.get(n, {})) for n in plan.attacks}
    return Stage(plan=plan, model=model, attacks=attacks, attacker=attacker)


def run(stage: Stage, executor: Executor, guard: str = "") -> Ran:
    """All tasks without an attack and under each attack; `guard` names the policy in front of the agent."""
    family, _ = stage.plan.parts
    return (_dojo if family == DOJO else _bipia)(stage, executor, guard)


def policy(plan: Plan, guard: str) -> Guarding | None:
    """The policy of this name for a plan's suite."""
    if not guard:
        return None
    family, name = plan.parts
    if family == BIPIA:
        return guarding(guard, suite="documents", tools=(documents.TOOL,))
    return guarding(guard, suite=name, tools=tuple(t.name for t in dojo.opened(name).inner.tools))


def _dojo(stage: Stage, executor: Executor, guard: str) -> Ran:
    plan = stage.plan
    suite = dojo.opened(plan.parts[1])
    agent = _agent(stage, suite, policy(plan, guard))
    errands = [e for e in suite.errands if plan.unsolved or not plan.script or suite.solved(e)]
    errands = errands[: plan.errands or None]

    def shard(user: Any) -> Json:
        return {
            "quiet": target.benign(suite, agent, [user]),
            "rows": target.attacked(
                suite,
                agent,
                target.goals(suite, [user], errands),
                stage.attacks,
                budget=stage.budget,
                seed=plan.seed,
                attacker=stage.attacker,
            ),
        }

    key = {"task": "agents/dojo", "version": suite.version, "errands": errands, **_key(stage, guard)}
    return _joined(executor.map(task=shard, shards=list(suite.users[: plan.users or None]), key=key), guard)


def _bipia(stage: Stage, executor: Executor, guard: str) -> Ran:
    plan = stage.plan
    kind = plan.parts[1]
    found = documents.pairs(plan.data, kind, most=plan.users or None, each=plan.errands or 1, seed=plan.seed)
    made = policy(plan, guard)
    gate: Gate = made.gate if made else open_gate
    model = stage.model or documents.ScriptedReader(name=plan.script, pairs=found, obeys=plan.script == "obeying")
    by_document: dict[str, list[documents.Pair]] = {}
    for pair in found:
        by_document.setdefault(pair.document.id, []).append(pair)

    def shard(document: Any) -> Json:
        own = {pair.id: pair for pair in by_document[document]}
        reader = documents.Reader(model=model, pairs=own, gate=gate, sampling=_sampling(plan))
        return {
            "quiet": documents.benign(reader),
            "rows": documents.attacked(
                reader, kind, stage.attacks, budget=stage.budget, seed=plan.seed, attacker=stage.attacker
            ),
        }

    key = {"task": "agents/bipia", "pairs": [pair.id for pair in found], **_key(stage, guard)}
    return _joined(executor.map(task=shard, shards=list(by_document), key=key), guard)


def _agent(stage: Stage, suite: dojo.Suite, made: Guarding | None) -> Agent:
    plan = stage.plan
    if stage.model is None:
        agent = scripted.agent(suite, plan.script, obeys=plan.script == "obeying")
    else:
        model = stage.model
        agent = Agent(mind=lambda environment: model, name=str(model.identity.get("name", "model")))
    agent = replace(agent, sampling=_sampling(plan), turns=plan.turns or agent.turns)
    return agent if made is None else replace(agent, gate=made.gate, free=made.free)


def _sampling(plan: Plan) -> Sampling:
    return Sampling(max_new_tokens=plan.max_new_tokens, seed=plan.seed)


def _key(stage: Stage, guard: str) -> dict[str, Json]:
    made = policy(stage.plan, guard)
    return {
        "plan": to_builtins(replace(stage.plan, users=0, errands=0)),
        "model": dict(stage.model.identity) if stage.model else stage.plan.script,
        "attacks": to_builtins(dict(stage.attacks)),
        "attacker": dict(stage.attacker.identity) if stage.attacker else {},
        "guard": to_builtins([made.policy, made.free]) if made else [],
        "code": code_digest(),
    }


def _joined(results: Any, guard: str) -> Ran:
    values = [result.value for result in results]
    quiet = [row for value in values for row in value["quiet"]]
    return Ran(guard=guard, quiet=quiet, rows=[row for value in values for row in value["rows"]])
