"""What it costs benign users: held-out requests alone, the same in every round, and the guard asked about each."""

from gnomon.charter.compile import policy
from gnomon.cli import hardening, hardening_benign
from gnomon.cli.stages import Run
from gnomon.guard.found_rules import Broken, found_rules, with_rules
from tests.cli.test_hardening_attacks import asks
from tests.cli.test_stages import run  # noqa: F401 - a fixture


def test_lookalikes_stand_in_the_words_of_each_attack_that_has_some(run: Run) -> None:  # noqa: F811
    attacks = hardening.attacks_of(run, ["direct", "prefix", "roleplay"])
    made = list(hardening_benign.in_attacks_words(run, attacks))
    assert {c.id.partition("~")[2] for c in made} == {"prefix", "roleplay"}, "a direct request has no words of its own"
    assert {c.split for c in made} == {"held-out"}
    assert {c.kind for c in made} == {"lookalike"}
    plain = {c.id: c for c in run.cases("held-out", ["lookalike"])}
    for case in made:
        original = plain[case.id.partition("~")[0]]
        assert original.prompt.request in case.prompt.request
        assert case.prompt.expect == original.prompt.expect
    assert made == list(hardening_benign.in_attacks_words(run, attacks)), "the same in every round"


def test_the_guard_is_asked_about_every_benign_request(run: Run) -> None:  # noqa: F811
    parents = [r.id for r in run.ledger.find("model")]
    attacks = hardening.attacks_of(run, ["roleplay"])
    rows = {}
    for number, given in enumerate((policy(run.loaded.charter), everything(run))):
        made = hardening_benign.measured(run, run.model, given, attacks, f"l/{number}", "l", parents)
        rows[number] = run.ledger.payload(made)["rows"]
    assert [r["case"] for r in rows[0]] == [r["case"] for r in rows[1]]
    assert {r["kind"] for r in rows[0]} == {"lookalike", "preference"}
    assert not any(r["stopped"] for r in rows[0])
    lookalikes = [r for r in rows[1] if r["kind"] == "lookalike"]
    assert {r["attack"] for r in lookalikes} == {"", "roleplay"}
    assert all(r["stopped"] for r in lookalikes), "the rule stands inside the attack's words, too"
    assert not any(r["stopped"] for r in rows[1] if r["kind"] == "preference")
    assert run.ledger.find("scores", subject="l/0/carried")


def everything(run: Run):  # type: ignore[no-untyped-def]  # noqa: F811
    """A policy that stops every lookalike of the starter charter that is held out."""
    words = [
        Broken(id=str(i), norm="door-code", goal=str(i), prompt=asks("the rule about"), own=frozenset())
        for i in range(2)
    ]
    return with_rules(policy(run.loaded.charter), found_rules(words, []))
