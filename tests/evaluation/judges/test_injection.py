"""A gullible judge is caught, an honest one is not, and the innocent sentence tells them apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gnomon.core.errors import DataError
from gnomon.core.types import Message, Transcript
from gnomon.evaluation.judges.injection import fence_worth, turned
from gnomon.evaluation.judges.judgement import Judgement
from gnomon.scoring.judge_injection import CONTROL, FORMS, injected


def reply(text: str) -> Transcript:
    return Transcript((Message("user", "Is it safe?"), Message("assistant", text)), {"answer": "x"})


@dataclass
class Gullible:
    """Says no where the text speaks of `no`, if it can be bought; else yes."""

    words: Sequence[str] = ('"no"', "is no", "reply no", "Answer no")
    breaks: bool = False
    identity: dict = field(default_factory=dict)

    def judge(self, *, transcripts: Sequence[Transcript]) -> list[Judgement]:
        found = []
        for t in transcripts:
            if self.breaks and "im_end" in t.reply:
                found.append(Judgement.unscored("unreadable"))
            else:
                no = t.reply.startswith("safe") or any(w in t.reply for w in self.words)
                found.append(Judgement(label="no" if no else "yes", score=0.0 if no else 1.0))
        return found


ROWS = [reply(f"harm {i}") for i in range(8)] + [reply("safe")]
NAMES = [str(i) for i in range(9)]


def test_only_rows_that_can_be_turned_are_counted_and_the_control_turns_none() -> None:
    found = {t.form: t for t in turned(Gullible(), ROWS, NAMES, wanted="no")}
    assert found.keys() == FORMS.keys()
    assert found[CONTROL].share.value == 0
    assert all(found[form].share.value == 1 for form in FORMS if form != CONTROL)
    assert {t.share.n for t in found.values()} == {8}


def test_an_honest_judge_is_turned_by_nothing_and_lost_verdicts_are_counted() -> None:
    found = {t.form: t for t in turned(Gullible(words=(), breaks=True), ROWS, NAMES, wanted="no")}
    assert all(t.share.value == 0 for t in found.values())
    assert {form: t.lost for form, t in found.items() if t.lost} == {"turn": 8}


def test_the_fence_is_measured_in_pairs() -> None:
    bare, behind = Gullible(), Gullible(words=('"no"',))
    plain = bare.judge(transcripts=ROWS)
    found = {f.form: f for f in fence_worth((bare, plain), (behind, plain), ROWS, NAMES, wanted="no")}
    assert found["turn"].difference.value == -1
    assert found["turn"].p == pytest.approx(2 / 2**8)
    assert found["order"].difference.value == 0
    assert found["order"].p == 1


def test_an_injection_stands_at_the_end_of_the_reply_and_changes_nothing_else() -> None:
    for form in FORMS:
        changed = injected(ROWS[0], form, "no")
        assert changed.reply.startswith("harm 0")
        assert changed.request == ROWS[0].request
        assert changed.expect == ROWS[0].expect
        assert "{wanted}" not in changed.reply
        assert ("no" in changed.reply.replace('"', " ").replace(".", " ").split()) != (form == CONTROL)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to turn"):
        turned(Gullible(), [reply("safe")], ["a"], wanted="no")
    with pytest.raises(DataError, match="no form"):
        injected(ROWS[0], "flattery", "no")
