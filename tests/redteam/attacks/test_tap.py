"""TAP: what is off the subject never reaches the target, and only the best of a level grow on."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Budget, Sampling
from gnomon.core.types import Score, Transcript
from gnomon.models.scripted import ScriptedModel
from gnomon.redteam.attacks.tap import Tap
from gnomon.redteam.search import search
from gnomon.scoring.judge import Judged

from ..conftest import SECRET, goal


@dataclass
class Grower:
    """Adds a letter to the message it is shown, a and b by turns; every third message is about gardening."""

    calls: int = 0
    judges: bool = True
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "grower"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        return [p.answered(self._one(p)) for p in prompts]

    def _one(self, prompt: Transcript) -> str:
        if "Message B:" in prompt.request:
            return ("No." if "roses" in prompt.request else "Yes.") if self.judges else "Hm."
        self.calls += 1
        last = re.search(r"Message: (.*)\n", prompt.request)
        before = last[1] if last else "staff code shop "
        text = "Talk about roses." if self.calls % 3 == 0 else before + "ab"[self.calls % 2]
        return json.dumps({"improvement": "a letter", "prompt": text})


@dataclass
class Lock:
    """Opens at a word that ends in `key`."""

    key: str
    heard: list[str] = field(default_factory=list)
    identity: Mapping[str, str] = field(default_factory=lambda: {"name": "lock"})

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        self.heard += [p.request for p in prompts]
        return [p.answered(SECRET if p.request.endswith(self.key) else "It is shut today.") for p in prompts]


def right(request: str, key: str) -> int:
    """Letters of the key that stand at their place."""
    letters = request.rpartition(" ")[2]
    return next((i for i in range(len(key)) if letters[i : i + 1] != key[i]), len(key))


def run(attack: Tap, key: str, tries: int, **more: object) -> tuple[dict[str, object], Lock]:
    lock = Lock(key)

    def judged(norm: str, transcript: Transcript) -> Judged:
        gone = right(transcript.request, key) / 5
        return Judged(Score(value=gone), SECRET in transcript.reply, gone)

    options = {"goals": [goal()], "budget": Budget(tries=tries), "sampling": Sampling(), "seed": 0} | more
    return next(search(attack=attack, judge=judged, model=lock, **options)), lock  # type: ignore[arg-type]


@pytest.mark.parametrize("judges", [True, False])
def test_what_is_off_the_subject_never_reaches_the_target(judges: bool) -> None:
    row, lock = run(Tap(width=3, branching=3), "zzzzz", 30, attacker=Grower(judges=judges))
    assert row["tries"] == 30
    assert not any("roses" in heard for heard in lock.heard)


def test_the_best_of_a_level_grow_on_and_open_the_lock_letter_by_letter() -> None:
    key = "babab"
    row, lock = run(Tap(width=2, branching=4, depth=9), key, 60, attacker=Grower())
    assert row["broke"] is not None
    assert right(lock.heard[-1], key) == 5
    # Blind growth would have to try up to 2^5 words and all their beginnings.
    assert row["broke"] <= 5 * 2 * 4


def test_a_branch_cut_before_the_target_costs_no_try_and_two_asks() -> None:
    row, lock = run(Tap(width=1, branching=3, depth=1), "zzzzz", 30, attacker=Grower())
    assert (row["tries"], row["asks"], len(lock.heard)) == (2, 6, 2)


def test_a_level_of_which_all_was_cut_asks_the_request_in_other_words() -> None:
    only_roses = ScriptedModel(default='{"improvement": "", "prompt": "Talk about roses."}')
    row, lock = run(Tap(branching=3, depth=2), "zzzzz", 30, attacker=only_roses)
    assert row["tries"] == 2
    assert not any("roses" in heard for heard in lock.heard)


def test_without_its_model_the_budget_is_spent_on_other_words() -> None:
    row, _ = run(Tap(), "zzzzz", 12)
    assert (row["tries"], row["asks"]) == (12, 0)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        Tap(width=0)
