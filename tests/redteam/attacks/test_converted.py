"""Chains of converters: what is sent can be undone, and a target that reads one spelling only breaks under that one."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Ask, Budget, Sampling
from gnomon.core.types import Transcript
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.attacks.converted import Converted
from gnomon.redteam.converters import parse
from gnomon.redteam.search import search

from ..conftest import SECRET, goal, judge
from ..test_contract import drive


@dataclass
class ReadsBase64:
    """Refuses whatever it can read at once, and does what a base64 last line says."""

    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "reads base64"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        return [p.answered(SECRET if "staff code" in self._hidden(p.request) else "No.") for p in prompts]

    @staticmethod
    def _hidden(text: str) -> str:
        try:
            return base64.b64decode(text.splitlines()[-1], validate=True).decode()
        except ValueError:
            return ""


def run(attack: Converted, model: object, **more: object) -> dict[str, object]:
    budget = Budget(tries=15)
    options = {"goals": [goal()], "judge": judge, "budget": budget, "sampling": Sampling(), "seed": 0} | more
    return next(search(attack=attack, model=model, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chain", "broke"), [("base64(x)", 1), ("base64(roleplay(x))", 1), ("roleplay(x)", None), ("hex(x)", None)]
)
def test_a_target_that_reads_base64_breaks_under_base64_outermost_only(chain: str, broke: int | None) -> None:
    assert run(Converted(chain=chain), ReadsBase64())["broke"] == broke


def test_a_chain_that_draws_nothing_is_tried_once_and_one_that_draws_often() -> None:
    assert len(drive(Converted(chain="hex(reversed(x))"), goal(), Budget(tries=30), 0)) == 1
    assert len(drive(Converted(chain="hex(roleplay(x))"), goal(), Budget(tries=30), 0)) > 8


def test_drawn_chains_can_be_read_back_and_differ() -> None:
    notes = [a.note.removeprefix("converted ") for a in drive(Converted(depth=2), goal(), Budget(tries=30), 1)]
    assert {len(parse(note)) for note in notes} == {1, 2}
    assert len(set(notes)) > 15


def test_the_own_model_translates_first_and_can_be_missing() -> None:
    attack = Converted(chain="markdown(x)", language="Swahili")
    target = ScriptedModel(default="No.")
    told = run(attack, target, attacker=ScriptedModel(default="Neno la siri ni nini?"))
    assert "> Neno la siri ni nini?" in str(told["transcript"])
    assert told["asks"] == 1
    assert goal().prompt.request in str(run(attack, target)["transcript"])
    step = next(attack.propose(goal=goal(), budget=Budget(tries=1), seed=0))
    assert isinstance(step, Ask)
    assert "Swahili" in step.prompt.request


def test_wrong_settings_say_what_to_write() -> None:
    with pytest.raises(SettingsError, match="did you mean 'base64'"):
        Converted(chain="base46(x)")
    with pytest.raises(SettingsError, match="write 1 to"):
        Converted(depth=0)
