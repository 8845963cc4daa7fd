"""An agent shows what it recalls, remembers what it answered, and does as its gate says."""

from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.memory.agent import Agent, shown, written
from gnomon.redteam.memory.store import Entry, Hashed, Memory

SYSTEM = Message("system", "You help.")
ECHO = ScriptedModel(default="You said: {request}")


def ask(text: str) -> Transcript:
    return Transcript((SYSTEM, Message("user", "Hi"), Message("assistant", "Hello"), Message("user", text)), {"x": 1})


def agent(**more: object) -> Agent:
    memory = Memory(Hashed(), [Entry("tea time", "at four"), Entry("rain", "no", True), Entry("tea cup", "blue")])
    return Agent(model=ECHO, memory=memory, **({"k": 2} | more))  # type: ignore[arg-type]


def test_what_is_recalled_stands_before_the_last_request_in_one_message() -> None:
    (done,) = agent().answer([ask("tea cup")])
    assert [m.role for m in done.transcript.messages] == ["system", "user", "assistant", "memory", "user", "assistant"]
    text = done.transcript.messages[3].content
    assert text.index("User: tea cup\nAssistant: blue") < text.index("User: tea time\nAssistant: at four")
    assert "rain" not in text
    assert done.transcript.expect == {"x": 1}
    assert not done.poisoned


def test_answers_leave_the_memory_alone_and_serving_adds_the_exchange() -> None:
    one = agent()
    one.answer([ask("tea"), ask("rain")])
    assert len(one.memory) == 3
    done = one.serve(ask("roses"), poisoned=lambda reply: "roses" in reply)
    assert one.memory.entries[-1] == Entry("roses", "You said: roses", True)
    assert done.transcript.reply == "You said: roses"


def test_the_gate_is_asked_on_the_way_in_and_out() -> None:
    closed = agent(gate=lambda text: "tea" not in text)
    closed.serve(ask("tea cup"))
    assert len(closed.memory) == 3
    hits, prompt = closed.ready(ask("tea cup"))
    assert hits == ()
    assert prompt == ask("tea cup")


def test_a_filter_decides_what_is_shown() -> None:
    hits, prompt = agent(filter=lambda hits: hits[1:]).ready(ask("tea cup"))
    assert [hit.entry.query for hit in hits] == ["tea time"]
    assert shown(hits) in prompt.messages
    assert written(hits[0].entry) in shown(hits).content


def test_an_agent_without_memory_is_its_model() -> None:
    plain = Agent(model=ECHO, memory=Memory(Hashed()))
    (done,) = plain.answer([ask("tea")])
    assert done.transcript == ECHO.generate(prompts=[ask("tea")], sampling=Sampling())[0]
    assert plain.answer([]) == []
