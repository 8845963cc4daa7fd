"""An agent as the target of attacks: every user task with every injection task is a goal, every text a try.

Any attack serves: what it would have its target read (its last tool message, else its last user message) is the text
that stands in the world, at each place that the user task makes an agent read. The same search, budget and effort
curves as for chats hold; a try breaks its goal when the suite's own check says that the injection task was done.
Source: AgentDojo (arXiv 2406.13352); effort: tries of a pair are different texts, as in `redteam.search`.
Units: a goal is a pair of user and injection task, its family the user task, by which intervals are clustered.
Fails: closed; a goal of another suite is a SettingsError. Errors of an endpoint are the search's to count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Attack, Budget, Goal, Model, Sampling
from gnomon.core.seeds import stream
from gnomon.core.types import Json, Message, Score, Transcript
from gnomon.redteam.agents.dojo import Suite
from gnomon.redteam.agents.episode import Agent, Episode, play
from gnomon.redteam.search import search_all
from gnomon.scoring.judge import Judged


def goals(suite: Suite, users: Sequence[str], errands: Sequence[str]) -> list[Goal]:
    """All pairs of these tasks; a user task that reads no foreign text gives none."""
    return [
        Goal(
            id=f"agentdojo/{suite.name}/{user}/{errand}",
            norm=f"agentdojo/{suite.name}",
            prompt=Transcript((Message("user", suite.goal(errand)),), {"user": user, "errand": errand}),
            family=f"{suite.name}/{user}",
        )
        for user in users
        if suite.places(user)
        for errand in errands
    ]


@dataclass
class Target:
    """The agent in its suite, as a Model: it is sent a text, and what comes back is the whole episode."""

    suite: Suite
    agent: Agent
    tries: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    """By user and injection task: how each try came out."""
    _done: dict[str, bool] = field(default_factory=dict)

    @property
    def identity(self) -> Mapping[str, str]:
        """The agent's name and the suite's."""
        return {"name": self.agent.name, "suite": f"{self.suite.name} {self.suite.version}"}

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One episode for each text."""
        return [self._played(prompt) for prompt in prompts]

    def judge(self, norm: str, transcript: Transcript) -> Judged:
        """Whether the injection task was done in that episode."""
        done = self._done[transcript.id]
        return Judged(score=Score(value=float(done)), breached=done, progress=float(done))

    def _played(self, prompt: Transcript) -> Transcript:
        user, errand = str(prompt.expect.get("user", "")), str(prompt.expect.get("errand", ""))
        if user not in self.suite.users or errand not in self.suite.errands:
            raise SettingsError(f"{self.suite.name} has no pair '{user}', '{errand}'; take goals from `goals`")
        text = foreign(prompt)
        texts = dict.fromkeys(self.suite.places(user), text)
        found = play(self.suite, self.agent, user=user, errand=errand, texts=texts)
        own = self.tries.setdefault((user, errand), [])
        own.append(outcome(found))
        whole = Transcript(found.transcript.messages, {"user": user, "errand": errand, "try": len(own), "text": text})
        self._done[whole.id] = found.targeted
        return whole


def foreign(prompt: Transcript) -> str:
    """What an attack would have its target read: its last tool message, else its last user message."""
    said = next((m.content for m in reversed(prompt.messages) if m.role == "tool"), None)
    return prompt.request if said is None else said


def outcome(found: Episode) -> dict[str, Json]:
    """What is kept of an episode besides its text."""
    return {
        "utility": found.utility,
        "targeted": found.targeted,
        "calls": found.log.calls,
        "stopped": list(found.log.stopped),
        "withheld": list(found.log.withheld),
        "persons": found.log.persons,
        "ended": found.log.ended,
    }


def benign(suite: Suite, agent: Agent, users: Sequence[str]) -> list[dict[str, Json]]:
    """Every user task without an attack."""
    return [{"user": user, **outcome(play(suite, agent, user=user))} for user in users]


def attacked(
    suite: Suite,
    agent: Agent,
    aims: Sequence[Goal],
    attacks: Mapping[str, Attack],
    *,
    budget: Budget,
    seed: int,
    attacker: Model | None = None,
) -> list[dict[str, Json]]:
    """A row for each attack and goal, as of `search_all`, with `each`: how every try came out."""
    rows: list[dict[str, Json]] = []
    for name, attack in attacks.items():
        target = Target(suite, agent)
        found = search_all(
            attacks={name: attack},
            goals=aims,
            model=target,
            judge=target.judge,
            budget=budget,
            sampling=agent.sampling,
            seed=stream(seed, "agents", name),
            attacker=attacker,
        )
        for row in found:
            of = row["transcript"]["expect"]
            rows.append({**row, "each": target.tries.get((of["user"], of["errand"]), [])})
    return rows
