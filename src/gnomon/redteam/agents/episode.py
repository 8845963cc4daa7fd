"""One task of AgentDojo from its request to its checks, with a Model as the agent's mind and a gate at every message.

The package's own pipeline runs it: its tools, its loop and its checks; ours are the two elements that ask the model and
that let calls and results through. A call that the gate stops is never run and does not count as made; a result that it
stops is withheld, and the agent is told so. The gate knows nothing of tasks.
Source: the pipeline elements of agentdojo 0.1.35 (arXiv 2406.13352). Units: turns are replies of the model.
Fails: closed; an unknown tool is an error that the agent reads, a conversation too long for the model ends it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gnomon.core.errors import EndpointError, ModelError
from gnomon.core.protocols import Model, Sampling
from gnomon.core.types import Message, ToolCall, Transcript
from gnomon.redteam.agents.calls import read, sourced, told
from gnomon.redteam.agents.dojo import Suite, part

STOPPED = "[stopped before it ran]"
WITHHELD = "[result withheld]"
REFUSED = "I can't go on with this."
LONG = Sampling(max_new_tokens=256)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What a gate says of one message."""

    passes: bool
    text: str = ""
    """The message's text as it may pass."""
    why: str = ""
    person: bool = False
    """Whether a person would be asked; nobody is there in a run, so that it is a stop."""


Gate = Callable[[Transcript, str], Ruling]
"""Judges the last message of a conversation at a stage: request, tool call, tool result or reply."""


def open_gate(pending: Transcript, stage: str) -> Ruling:
    """No guard: everything passes."""
    return Ruling(passes=True, text=pending.messages[-1].content)


@dataclass(frozen=True, kw_only=True)
class Agent:
    """Who does the task, and what stands around it."""

    mind: Callable[[Any], Model]
    """The model for one episode, given the environment at its start: a scripted one needs to know the world."""
    name: str
    gate: Gate = open_gate
    free: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Tool name to arguments that may hold any text."""
    sampling: Sampling = LONG
    turns: int = 15
    """Most turns in which tools are used; AgentDojo's own number."""


@dataclass
class Log:
    """What happened in one episode."""

    messages: list[Message] = field(default_factory=list)
    calls: int = 0
    """Calls that ran."""
    stopped: list[str] = field(default_factory=list)
    """Why calls did not run."""
    withheld: list[str] = field(default_factory=list)
    """Why results, requests or replies were kept back."""
    persons: int = 0
    """Times that a person would have been asked."""
    ended: str = ""
    """Why the model could not go on, such as a conversation longer than its context; empty: it could."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What came of it, by the suite's own checks."""

    utility: bool
    targeted: bool
    """Whether the injection task was done; False where there was none."""
    transcript: Transcript
    log: Log


def play(suite: Suite, agent: Agent, *, user: str, errand: str = "", texts: Mapping[str, str] | None = None) -> Episode:
    """Do a user task in a world with these foreign texts; `errand` is the injection task that is checked for."""
    log = Log()
    task, planted = suite.task(user), suite.task(errand) if errand else None
    utility, security = suite.inner.run_task_with_pipeline(
        pipeline(agent, log), task, planted, injections={}, environment=suite.environment(texts or {})
    )
    return Episode(
        utility=bool(utility),
        targeted=bool(security) and planted is not None,
        transcript=Transcript(tuple(log.messages)),
        log=log,
    )


def pipeline(agent: Agent, log: Log) -> Any:
    """The agent as AgentDojo's pipeline; `log` is what happened in the last episode."""
    made = part("agent_pipeline")
    mind = _Mind(agent, log)
    loop = made.ToolsExecutionLoop([_Hands(agent, log), mind], max_iters=agent.turns)
    system = made.SystemMessage(part("agent_pipeline.agent_pipeline").load_system_message(None))
    whole = made.AgentPipeline([system, made.InitQuery(), mind, loop])
    whole.name = agent.name
    return whole


class _Mind:
    """The element that asks the model."""

    name = "mind"

    def __init__(self, agent: Agent, log: Log) -> None:
        self.agent, self.log = agent, log
        self.model: Model

    def query(
        self, query: str, runtime: Any, env: Any, messages: Sequence[Any] = (), extra_args: Any = None
    ) -> tuple[Any, ...]:
        """Append the model's next message."""
        if all(m["role"] != "assistant" for m in messages):
            self._begin(runtime, env, messages)
        log, gate = self.log, self.agent.gate
        ruling = gate(Transcript(tuple(log.messages)), "request") if len(log.messages) == 2 else None
        if ruling is not None and not ruling.passes:
            self._kept_back(ruling)
            reply = Message("assistant", REFUSED)
        else:
            reply = self._thought()
            if not reply.tool_calls:
                reply = self._said(reply)
        log.messages.append(reply)
        return query, runtime, env, [*messages, _theirs(reply)], extra_args

    def _begin(self, runtime: Any, env: Any, messages: Sequence[Any]) -> None:
        self.model = self.agent.mind(env.model_copy(deep=True))
        log = self.log
        log.messages, log.calls, log.stopped, log.withheld, log.persons = [], 0, [], [], 0
        log.ended = ""
        for message in messages:
            text = _text(message)
            more = f"\n\n{told(list(runtime.functions.values()))}" if message["role"] == "system" else ""
            log.messages.append(Message(message["role"], text + more))

    def _thought(self) -> Message:
        """The model's next message; one that can't take so long a conversation gives up."""
        asked = Transcript(tuple(self.log.messages))
        try:
            answer = self.model.generate(prompts=[asked], sampling=self.agent.sampling)[0]
        except EndpointError:
            raise
        except ModelError as error:
            self.log.ended = str(error).partition(" (it ends")[0]
            return Message("assistant", REFUSED)
        return read(answer.messages[-1])

    def _said(self, reply: Message) -> Message:
        ruling = self.agent.gate(Transcript((*self.log.messages, reply)), "reply")
        if ruling.passes:
            return replace(reply, content=ruling.text)
        self._kept_back(ruling)
        return Message("assistant", REFUSED)

    def _kept_back(self, ruling: Ruling) -> None:
        self.log.withheld.append(ruling.why)
        self.log.persons += ruling.person


class _Hands:
    """The element that runs the calls which the gate lets through, and shows the results that it lets through."""

    name = "hands"

    def __init__(self, agent: Agent, log: Log) -> None:
        self.agent, self.log = agent, log
        self.runs = part("agent_pipeline").ToolsExecutor()

    def query(
        self, query: str, runtime: Any, env: Any, messages: Sequence[Any] = (), extra_args: Any = None
    ) -> tuple[Any, ...]:
        """Append a result for each call of the last message."""
        *before, last = messages
        asked = self.log.messages[-1]
        past = list(self.log.messages[:-1])
        made, results = [], []
        for call, theirs in zip(asked.tool_calls, last["tool_calls"], strict=True):
            ran, result = self._one((query, runtime, env), call, theirs, past)
            results.append(result)
            if ran:  # the suite's checks read the calls of the assistant's messages
                made.append(theirs)
        return query, runtime, env, [*before, {**last, "tool_calls": made}, *results], extra_args

    def _one(self, world: tuple[Any, ...], call: ToolCall, theirs: Any, past: list[Message]) -> tuple[bool, Any]:
        """Whether one call ran, and its result as AgentDojo's message; `past` goes on with both."""
        log, gate = self.log, self.agent.gate
        known = sourced(call, Transcript(tuple(past)), self.agent.free.get(call.name, ()))
        past.append(Message("assistant", "", (known,)))
        ruling = gate(Transcript(tuple(past)), "tool call")
        if not ruling.passes:
            log.stopped.append(ruling.why)
            log.persons += ruling.person
            return False, self._shown(theirs, "", f"{STOPPED} {ruling.why}", past)
        spoken = {"role": "assistant", "content": None, "tool_calls": [theirs]}
        result = self.runs.query(*world, [spoken])[3][-1]
        log.calls += 1
        text, error = _text(result), str(result["error"] or "")
        ruling = gate(Transcript((*past, Message("tool", error or text, name=call.name))), "tool result")
        if not ruling.passes:
            log.withheld.append(ruling.why)
            log.persons += ruling.person
            return True, self._shown(theirs, f"{WITHHELD} {ruling.why}", "", past)
        return True, self._shown(theirs, "" if error else ruling.text, ruling.text if error else "", past)

    def _shown(self, call: Any, text: str, error: str, past: list[Message]) -> Any:
        past.append(Message("tool", error or text, name=call.function))
        self.log.messages.append(past[-1])
        return {
            "role": "tool",
            "content": [{"type": "text", "content": text}],
            "tool_call": call,
            "tool_call_id": call.id,
            "error": error or None,
        }


def _text(message: Any) -> str:
    """The text of one of AgentDojo's messages."""
    return "\n".join(block["content"] for block in message["content"] or ())


def _theirs(message: Message) -> Any:
    """Our message as AgentDojo writes it."""
    called = part("functions_runtime").FunctionCall
    calls = [called(function=c.name, args=dict(c.arguments), id=c.id or c.name) for c in message.tool_calls]
    return {
        "role": "assistant",
        "content": [{"type": "text", "content": message.content}],
        "tool_calls": calls or None,
    }
