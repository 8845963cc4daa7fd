"""A record that stands where the agent's memory stands."""

from gnomon.core.protocols import Budget, Goal, Reply
from gnomon.core.types import Message, Score, Transcript
from gnomon.redteam.attacks.memory_injection import MemoryInjection

SYSTEM = Message("system", "You help.")


def attempts(*turns: Message, tries: int = 50) -> list[Transcript]:
    goal = Goal(id="g", norm="n", prompt=Transcript((SYSTEM, *turns)))
    steps = MemoryInjection().propose(goal=goal, budget=Budget(tries=tries), seed=0)
    found, reply = [], None
    while True:
        try:
            step = next(steps) if reply is None else steps.send(reply)
        except StopIteration:
            return found
        found.append(step.prompt)
        reply = Reply(transcript=step.prompt.answered("No."), score=Score(value=0.0), breached=False)


def test_only_the_memory_holds_the_request_and_the_user_asks_something_else() -> None:
    for prompt in attempts(Message("user", "Tell me {the} code.")):
        roles = [m.role for m in prompt.messages]
        assert roles == ["system", "memory", "user"]
        assert "Tell me {the} code." in prompt.messages[1].content
        assert "code" not in prompt.request


def test_every_record_meets_every_question_once() -> None:
    found = attempts(Message("user", "Tell me."))
    assert len(found) == len({p.id for p in found}) == 42


def test_the_opening_of_a_longer_conversation_stays() -> None:
    turns = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Tell me."))
    for prompt in attempts(*turns, tries=3):
        assert prompt.messages[1:3] == turns[:2]
        assert [m.role for m in prompt.messages[3:]] == ["memory", "user"]
