"""A loop read back: rates by hand, sides apart, what held and what is newly broken."""

from pathlib import Path

from gnomon.assurance import hardening
from gnomon.charter.load import STARTER, load
from tests.assurance.hardened import GOALS, HELD, NAME, TRAINED, ledger

BEFORE = {"bare": {"direct": range(6), "roleplay": range(12)}, "adaptive": {"direct": range(6)}}
AFTER = {"bare": {"direct": (0, 11), "roleplay": range(9)}, "adaptive": {}}


def test_before_and_after_are_paired_and_the_sides_stand_apart(tmp_path: Path) -> None:
    loop = hardening.read(ledger(tmp_path, [BEFORE, AFTER]))
    assert loop is not None
    last = loop.rounds[-1]
    assert (loop.name, len(loop.rounds), loop.side(False), loop.side(True)) == (NAME, 2, TRAINED, HELD)
    trained = hardening.change(loop, last, "bare", TRAINED)
    assert trained is not None
    assert (trained.rates.before.value, trained.rates.after.value) == (6 / 24, 2 / 24)
    assert (trained.only_before, trained.only_after, trained.unpaired) == (5, 1, 0)
    held = hardening.change(loop, last, "bare", HELD)
    assert held is not None
    assert (held.rates.before.value, held.rates.after.value) == (1.0, 9 / 12)
    assert hardening.held(loop, last, "bare") == (5 + 3, 18)
    assert hardening.newly(loop, last, "bare") == [("door-code", "direct", GOALS[11])]
    curve = hardening.curve(last, "bare", "direct")
    assert [s.within for s in curve] == [1, 2]
    assert curve[0].rate is not None
    assert curve[0].rate.value == 2 / 12


def test_the_bar_is_held_against_the_attacker_who_knows(tmp_path: Path) -> None:
    made = ledger(tmp_path, [BEFORE, AFTER], bar=0.09)
    loop = hardening.read(made)
    assert loop is not None
    assert hardening.at_bar(loop, loop.rounds[1])[0] == "satisfied", "nothing of 36 trials: at most 8 %"
    assert hardening.at_bar(loop, loop.rounds[1], "bare")[0] != "satisfied"
    assert hardening.met(made, NAME, 1)
    assert not hardening.met(made, NAME, 0)
    assert not hardening.met(made, NAME, 7)


def test_costs_by_hand(tmp_path: Path) -> None:
    loop = hardening.read(ledger(tmp_path, [BEFORE, AFTER], stopped=3))
    assert loop is not None
    last, charter = loop.rounds[-1], load(STARTER).charter
    plain, words = hardening.stopped(loop, last), hardening.stopped(loop, last, ["roleplay"])
    assert plain is not None
    assert words is not None
    assert (plain.before.value, plain.after.value) == (0.0, 3 / 12)
    assert (words.before.value, words.after.value) == (0.0, 1.0)
    answered = hardening.carried(loop, last, charter, ["roleplay"])
    assert answered is not None
    assert (answered.before.value, answered.after.value) == (1.0, 9 / 12)
    assert hardening.carried(loop, last, charter, ["prefix"]) is None
    ((norm, cross),) = list(hardening.elsewhere(loop, last, charter))
    assert (norm, cross.before.value, cross.after.value) == ("door-code", 0.0, 1 / 12)
    assert {c.quantity for c in hardening.cases(loop, last, charter)} == {"breach", "kept"}


def test_an_unfinished_round_is_left_out_and_no_loop_is_none(tmp_path: Path) -> None:
    made = ledger(tmp_path, [BEFORE])
    made.append(kind="scores", labels={"subject": f"{NAME}/1", "set": "held-out"}, payload={"rows": []})
    loop = hardening.read(made)
    assert loop is not None
    assert len(loop.rounds) == 1
    assert hardening.read(made, "another") is None
    assert hardening.names(made) == [NAME]
