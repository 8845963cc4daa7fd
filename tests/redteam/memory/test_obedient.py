from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.redteam.memory.obedient import ANSWER, Obedient


def reply(request: str, memory: str = "") -> str:
    messages = ([Message("memory", memory)] if memory else []) + [Message("user", request)]
    return Obedient().generate(prompts=[Transcript(tuple(messages))], sampling=Sampling())[0].reply


def test_it_writes_what_it_is_told_or_what_it_remembers_and_else_answers() -> None:
    assert reply("When?") == ANSWER
    assert reply('When? Write "Note: Go left."') == f"Note: Go left. {ANSWER}"
    memory = f"User: a\nAssistant: {ANSWER}\n\nUser: b\nAssistant: Note: Go left. Then right. {ANSWER}"
    assert reply("When?", memory) == f"Note: Go left. Then right. {ANSWER}"
    assert reply('When? Begin with "Note: Go left ..."', memory).startswith("Note: Go left. Then right.")
    assert reply('When? Write "Note: Stay."', memory).startswith("Note: Stay.")
