"""The search: batches, determinism, accounting, and recovery of a planted rate."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gnomon.core import plugin
from gnomon.core.errors import BudgetSpent, EndpointError, ModelError
from gnomon.core.protocols import Ask, Attack, Attempt, Budget, Goal, Inside, Reply, Sampling, Step
from gnomon.core.stats import wilson
from gnomon.core.types import Message, Score, Transcript
from gnomon.executor.answers import Store
from gnomon.models.scripted import Rule, ScriptedModel, refusing
from gnomon.redteam.attacks.best_of_n import BestOfN
from gnomon.redteam.attacks.direct import Direct
from gnomon.redteam.effort import hit_at, outcomes
from gnomon.redteam.search import OUTCOMES, Plan, search, search_all
from gnomon.redteam.spending import Whole
from gnomon.scoring.judge import Judged

from .conftest import SECRET, Chance, Faulty, goal, judge


def run(attack: Attack, goals: list[Goal], model: object, tries: int = 5, **more: object) -> list[dict[str, object]]:
    options = {"judge": judge, "budget": Budget(tries=tries), "sampling": Sampling(), "seed": 0} | more
    return list(search(attack=attack, goals=goals, model=model, **options))  # type: ignore[arg-type]


def test_rows_say_what_the_ledger_needs(goals: list[Goal]) -> None:
    row = run(Direct(), goals[:1], ScriptedModel(default=SECRET))[0]
    assert row == {
        "attack": "direct",
        "goal": goals[0].id,
        "norm": "staff-code",
        "family": "f0",
        "tries": 1,
        "broke": 1,
        "note": "direct 1",
        "ended": "broke",
        "tokens": row["tokens"],
        "counted": "characters",
        "seconds": None,
        "money": 0.0,
        "asks": 0,
        "works": 0,
        "outcomes": {"broke": 1, "kept": 0, "refused": 0, "unscored": 0, "error": 0},
        "allocation": "even",
        "even": None,
        "transcript": row["transcript"],
    }
    assert row["transcript"]["messages"][-1]["content"] == SECRET  # type: ignore[index]


def test_every_round_is_one_batch_of_all_goals_not_yet_broken(goals: list[Goal]) -> None:
    model = Chance(0.4)
    rows = run(BestOfN(), goals, model, tries=8)
    assert model.calls[0] == len(goals)
    assert sum(model.calls) == sum(int(str(r["tries"])) for r in rows)
    assert len(model.calls) == max(int(str(r["tries"])) for r in rows)
    assert model.calls == sorted(model.calls, reverse=True)


def test_every_round_draws_anew_and_the_same_seed_draws_the_same(goals: list[Goal]) -> None:
    class Recording(Chance):
        def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
            seeds.append(sampling.seed)
            return super().generate(prompts=prompts, sampling=sampling)

    drawn = []
    for seed in (0, 0, 1):
        seeds: list[int] = []
        run(BestOfN(), goals[:2], Recording(0.0), tries=6, seed=seed)
        drawn.append(seeds)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0] + drawn[2])) == 12


def test_several_attacks_share_their_batches_and_each_goal_has_a_row_of_each(goals: list[Goal]) -> None:
    names = ("best_of_n", "direct", "encoding", "multi_turn", "prefix", "roleplay")
    attacks = {name: plugin.build("attack", name) for name in names}
    model = Chance(0.0)
    options = {"judge": judge, "budget": Budget(tries=3), "sampling": Sampling(), "seed": 0}
    rows = list(search_all(attacks=attacks, goals=goals, model=model, **options))  # type: ignore[arg-type]
    assert {(r["attack"], r["goal"]) for r in rows} == {(a, g.id) for a in attacks for g in goals}
    assert len(rows) == len(attacks) * len(goals)
    assert model.calls == [54, 45, 45]  # `direct` asks once
    alone = run(attacks["roleplay"], goals, Chance(0.0), tries=3)
    assert [r for r in rows if r["attack"] == "roleplay"] == alone


def test_the_same_seed_gives_the_same_rows_and_another_one_does_not(goals: list[Goal]) -> None:
    first, second, other = (run(BestOfN(), goals, Chance(0.3), seed=s) for s in (0, 0, 1))
    assert first == second
    assert first != other


def test_an_attack_that_ignores_its_budget_or_the_breach_is_stopped(goals: list[Goal]) -> None:
    @dataclass(frozen=True)
    class Endless:
        def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Attempt, Reply, None]:
            while True:
                yield Attempt(prompt=goal.prompt)

    assert [r["tries"] for r in run(Endless(), goals, refusing(), tries=4)] == [4] * len(goals)
    assert [r["tries"] for r in run(Endless(), goals, ScriptedModel(default=SECRET), tries=4)] == [1] * len(goals)
    spent = run(Endless(), goals[:1], refusing(), budget=Budget(tries=100, tokens=100))[0]
    assert 100 <= int(str(spent["tokens"])) < 200
    assert spent["tries"] != 100


def test_no_tries_no_attempts_but_a_row(goals: list[Goal]) -> None:
    model = Chance(1.0)
    rows = run(Direct(), goals, model, tries=0)
    assert [(r["tries"], r["broke"]) for r in rows] == [(0, None)] * len(goals)
    assert model.calls == []


def test_replies_that_could_not_be_had_or_scored_are_counted_and_break_nothing() -> None:
    goals = [goal(0, "ok"), goal(1, "bad"), goal(2, "ok again")]
    rows = {r["goal"]: r for r in run(Direct(repeats=2), goals, Faulty("bad"))}
    assert rows[goals[1].id]["outcomes"] == {"broke": 0, "kept": 0, "refused": 0, "unscored": 0, "error": 2}
    assert [rows[g.id]["broke"] for g in goals] == [1, None, 1]
    empty = run(Direct(), goals, ScriptedModel(default=""))
    assert outcomes(empty) == {"broke": 0, "kept": 0, "refused": 0, "unscored": 3, "error": 0}


def test_an_unscored_reply_that_claims_a_breach_is_none(goals: list[Goal]) -> None:
    rows = run(Direct(), goals[:1], refusing(), judge=lambda norm, t: Judged(Score.unscored("?"), True, None))
    assert (rows[0]["broke"], rows[0]["outcomes"]["unscored"]) == (None, 1)  # type: ignore[index]


def test_refusals_are_counted_apart_from_what_was_merely_kept() -> None:
    model = ScriptedModel(rules=(Rule(pattern="code", reply="I can't."),), default="It is sunny.")
    goals = [goal(0, "the code?"), goal(1, "the weather?")]
    rows = run(Direct(), goals, model, refused=lambda t: "can't" in t.reply)
    assert outcomes(rows) == {"broke": 0, "kept": 1, "refused": 1, "unscored": 0, "error": 0}


@pytest.mark.parametrize("error", [BudgetSpent("no money left"), ModelError("no such model")])
def test_a_spent_budget_or_a_missing_model_ends_the_search(goals: list[Goal], error: Exception) -> None:
    with pytest.raises(type(error)):
        run(Direct(), goals, Faulty("staff", error))


def test_an_endpoint_that_never_answers_ends_the_search_and_one_that_did_is_waited_for() -> None:
    with pytest.raises(EndpointError, match="hung up"):
        run(Direct(), [goal(i, "bad") for i in range(50)], Faulty("bad"))
    late = run(Direct(), [goal(99, "ok"), *(goal(i, "bad") for i in range(50))], Faulty("bad"))
    assert outcomes(late)["error"] == 50


def test_all_tries_are_accounted_for(goals: list[Goal]) -> None:
    rows = run(BestOfN(), goals, Chance(0.2), tries=6)
    assert set(rows[0]["outcomes"]) == set(OUTCOMES)  # type: ignore[call-overload]
    assert sum(outcomes(rows).values()) == sum(int(str(r["tries"])) for r in rows)


@pytest.mark.parametrize("p", [0.02, 0.1, 0.35])
def test_best_of_n_recovers_a_planted_rate_of_success(p: float) -> None:
    goals = [goal(i) for i in range(400)]
    rows = run(BestOfN(), goals, Chance(p), tries=16)
    for k in (1, 2, 4, 8, 16):
        hits = hit_at(rows, k)
        interval = wilson(hits.broken, hits.n, confidence=0.999)
        assert interval.low <= 1 - (1 - p) ** k <= interval.high
    first = [int(str(r["broke"] or r["tries"])) for r in rows]
    recovered = sum(r["broke"] is not None for r in rows) / sum(first)
    assert recovered == pytest.approx(p, rel=0.25)


def test_ten_thousand_tries_cost_the_engine_little(goals: list[Goal]) -> None:
    many = [replace(goals[0], id=f"g{i}") for i in range(500)]
    began = time.process_time()
    rows = run(BestOfN(), many, ScriptedModel(default="No."), tries=20)
    assert sum(outcomes(rows).values()) == 10_000
    assert time.process_time() - began < 20


def test_a_conversation_over_turns_carries_its_replies() -> None:
    seen: list[Transcript] = []

    def watch(norm: str, transcript: Transcript) -> Judged:
        seen.append(transcript)
        return Judged(Score(value=0.0), False, 0.0)

    model = ScriptedModel(default="Reply {request}")
    run(plugin.build("attack", "multi_turn"), [goal()], model, tries=20, judge=watch)
    longest = max(seen, key=lambda t: len(t.messages))
    turns = longest.messages[1:]
    assert len(turns) == 6
    replies = [m for m in turns if m.role == "assistant"]
    questions = [m for m in turns if m.role == "user"]
    assert replies == [Message("assistant", f"Reply {q.content}") for q in questions]


@dataclass(frozen=True)
class Helped:
    """Asks its own model for words, works on the weights, and tries what came of both."""

    asks: int = 2

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        words = []
        for n in range(self.asks):
            said = yield Ask(prompt=Transcript((Message("user", f"word {n} for {goal.id}"),)))
            words.append(said.reply)
        found = yield Inside(work=lambda model: model["weights"])
        reply = yield Attempt(prompt=Transcript((Message("user", f"{' '.join(words)} {found}"),)), note="helped")
        assert not reply.breached
        yield Attempt(prompt=goal.prompt)


def test_what_an_attack_asks_and_works_on_comes_back_to_it_in_batches(goals: list[Goal]) -> None:
    attacker, target = Chance(0.0), ScriptedModel(default="no")
    rows = run(Helped(), goals, target, tries=2, attacker=attacker, inside={"weights": 7})
    assert attacker.calls == [len(goals)] * 2
    assert {(r["tries"], r["asks"], r["works"], r["ended"]) for r in rows} == {(2, 2, 1, "the attack had no more")}
    first = run(Helped(), goals[:1], target, tries=1, attacker=ScriptedModel(default="tell"), inside={"weights": 7})
    assert first[0]["transcript"]["messages"][0]["content"] == "tell tell 7"  # type: ignore[index]


@dataclass(frozen=True)
class Resourceful:
    """Asks for words, and has some of its own."""

    def propose(self, *, goal: Goal, budget: Budget, seed: int) -> Generator[Step, Any, None]:
        for _ in range(2):
            said = yield Ask(prompt=goal.prompt, needed=False)
            words = "my own" if said is None else said.reply
            yield Attempt(prompt=Transcript((Message("user", words),)), note=words)


@pytest.mark.parametrize(
    ("more", "asks", "last"),
    [
        ({}, 0, "my own"),
        ({"attacker": Faulty(bad="staff")}, 2, "my own"),
        ({"attacker": ScriptedModel(default="yours")}, 2, "yours"),
        ({"attacker": ScriptedModel(default="yours"), "budget": Budget(tries=2, asks=1)}, 1, "my own"),
    ],
    ids=str,
)
def test_an_attack_that_can_do_without_an_answer_goes_on(more: dict[str, Any], asks: int, last: str) -> None:
    row = run(Resourceful(), [goal()], refusing(), **{"tries": 2, **more})[0]
    assert (row["tries"], row["asks"], row["note"]) == (2, asks, last)


@pytest.mark.parametrize(
    ("more", "why", "tokens"),
    [
        ({}, "not possible: it needs an attacker's model", False),
        ({"attacker": refusing()}, "not possible: it needs the target's weights", True),
        ({"attacker": Faulty(bad="word"), "inside": {}}, "the attacker's model gave no reply", False),
        ({"attacker": refusing(), "budget": Budget(tries=2, asks=1)}, "budget: asks", True),
        ({"attacker": refusing(), "budget": Budget(tries=2, tokens=1)}, "budget: tokens", True),
        ({"attacker": refusing(), "inside": {}, "budget": Budget(tries=2, works=0)}, "budget: works", True),
    ],
    ids=str,
)
def test_an_attack_that_cannot_go_on_says_why_and_has_tried_nothing(
    goals: list[Goal], more: dict[str, Any], why: str, tokens: bool
) -> None:
    row = run(Helped(), goals[:1], refusing(), **more)[0]
    assert str(row["ended"]).startswith(why)
    assert (row["tries"], row["broke"], bool(row["tokens"])) == (0, None, tokens)


def test_a_run_that_used_up_its_seconds_has_none_left_when_it_is_started_again(
    goals: list[Goal], tmp_path: Path
) -> None:
    class Slow(Chance):
        def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
            time.sleep(0.05)
            return super().generate(prompts=prompts, sampling=sampling)

    sittings, plan = [Slow(0.0), Slow(0.0)], Plan(whole=Whole(seconds=0.4))
    for model in sittings:
        with Store.open(tmp_path) as store:
            rows = run(BestOfN(), goals[:2], model, tries=500, plan=plan, store=store)
        assert {row["ended"] for row in rows} == {"the run's budget: seconds"}
    assert sittings[0].calls
    assert len(sittings[1].calls) <= 1, "at most the batch that was under way"
