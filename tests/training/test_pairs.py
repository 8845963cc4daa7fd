import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import SettingsError
from gnomon.core.types import Case, Message, Transcript
from gnomon.training.pairs import Pairing, Sample, make

INSTEAD = {"secret": ("I can't share that.", "That stays private.")}


def case(kind="probe", target="secret", expect=None, name="c"):
    prompt = Transcript((Message("system", "S"), Message("user", "Q")), expect or {})
    return Case(id=name, target=target, kind=kind, family="f", split="train", prompt=prompt)


def reply(text, breached=False, **more):
    return Sample(text=text, breached={"secret": breached, "human": False} | more.pop("norms", {}), **more)


def pairs(case, *samples, instead=INSTEAD, **settings):
    made = make([(case, samples)], instead=instead, settings=Pairing(**settings))
    return [(r["chosen"], r["rejected"]) for r in made.rows], made.skipped


def test_probe_rejects_each_distinct_breach_once():
    found, _ = pairs(case(), reply("X1", True), reply("X1", True), reply("X2", True), reply("kept"), per_case=9)
    assert sorted(r for _, r in found) == ["X1", "X2"]
    assert {c for c, _ in found} <= {"kept", *INSTEAD["secret"]}


@pytest.mark.parametrize(("share", "wanted"), [(0.0, {"kept"}), (1.0, set(INSTEAD["secret"]))])
def test_share_of_the_norms_own_wording(share, wanted):
    found, _ = pairs(case(), *[reply(f"X{i}", True) for i in range(6)], reply("kept"), instead_share=share, per_case=6)
    assert len(found) == 6
    assert {c for c, _ in found} == wanted


def test_share_is_met_over_many_cases():
    rows = [(case(name=f"c{i}"), (reply("X", True), reply("kept"))) for i in range(400)]
    made = make(rows, instead=INSTEAD, settings=Pairing(instead_share=0.3))
    given_share = sum(r["chosen"] != "kept" for r in made.rows) / 400
    assert given_share == pytest.approx(0.3, abs=0.08)  # 3.5 standard deviations
    assert made == make(rows, instead=INSTEAD, settings=Pairing(instead_share=0.3))
    assert made != make(rows, instead=INSTEAD, settings=Pairing(instead_share=0.3, seed=1))


def test_probe_without_own_kept_reply_takes_the_norms_wording():
    # "other" breaches another norm, "?" was not judged: neither is kept, and neither breaches this norm.
    samples = (reply("X", True), reply("other", norms={"human": True}), reply("?", norms={"human": None}))
    found, _ = pairs(case(), *samples, instead_share=0.0)
    assert len(found) == 1
    assert found[0][0] in INSTEAD["secret"]


def test_probe_that_gives_nothing_says_why():
    assert pairs(case(), reply("kept")) == ([], {"c": "no reply to any probe breached the norm"})
    found, skipped = pairs(case(), reply("X", True), instead={})
    assert found == []
    assert "under `instead`" in skipped["c"]


def test_a_probe_that_drew_no_breach_rejects_one_that_a_sibling_drew():
    rows = [(case(name="a"), (reply("X", True),)), (case(name="b"), (reply("kept"),))]
    made = make(rows, instead=INSTEAD)
    assert [(r["case"], r["rejected"]) for r in made.rows] == [("a", "X"), ("b", "X")]
    rows = [(case(name=n), (reply(n, True),)) for n in "abc"]
    made = make(rows, instead=INSTEAD, settings=Pairing(per_case=2))
    assert [len([r for r in made.rows if r["case"] == n]) for n in "abc"] == [2, 2, 2]
    assert all(r["rejected"] in "abc" for r in made.rows)
    assert made.skipped == {}


def test_a_willing_reply_without_the_stated_fact_is_not_an_answer():
    samples = (reply("Sure, 90 days!", score=0.5), reply("no", refused=True))
    assert pairs(case("lookalike", expect={"answer": "30 days"}), *samples)[0] == [("30 days", "no")]
    samples = (reply("It is 30 days.", score=1.0), reply("no", refused=True))
    assert pairs(case("lookalike", expect={"answer": "30 days"}), *samples)[0] == [("It is 30 days.", "no")]


def test_the_fact_that_holds_the_stated_answer_is_a_reply():
    rows = [(case("lookalike", expect={"answer": ["30 Days"]}), (reply("no", refused=True),))]
    facts = ("Open daily", "Returns: within 30 days, with the receipt")
    assert make(rows, instead=INSTEAD, facts=facts).rows[0]["chosen"] == facts[1]


def test_lookalike_keeps_the_most_helpful_answer_over_an_own_refusal():
    samples = (
        reply("help", score=0.4),
        reply("better", score=0.9),
        reply("leak", True, score=1.0),
        reply("no", refused=True),
    )
    assert pairs(case("lookalike"), *samples)[0] == [("better", "no")]


def test_lookalike_falls_back_to_the_stated_answer_and_the_norms_wording():
    found, _ = pairs(case("lookalike", expect={"answer": ["30 days"]}), reply("no", refused=True))
    assert found == [("30 days", "no")]
    found, _ = pairs(case("lookalike"), reply("help"), per_case=1)
    assert found[0][0] == "help"
    assert found[0][1] in INSTEAD["secret"]
    assert "states no answer" in pairs(case("lookalike"), reply("no", refused=True))[1]["c"]
    assert "no refusal" in pairs(case("lookalike"), reply("help"), instead={})[1]["c"]


def test_preference_takes_best_and_worst_by_proxy_if_far_enough_apart():
    samples = (reply("a", score=0.1), reply("b", score=0.5), reply("c", score=0.8))
    assert pairs(case("preference", "brevity"), *samples, gap=0.7)[0] == [("c", "a")]
    assert "less than 0.71" in pairs(case("preference", "brevity"), *samples, gap=0.71)[1]["c"]
    assert pairs(case("preference", "brevity"), reply("a", score=0.5), reply("b", score=0.5), gap=0)[0] == []


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([True, False, None])), min_size=1, max_size=6))
def test_norms_veto_whatever_the_proxy_says(found):
    samples = [reply(f"r{i}", broke, score=score) for i, (score, broke) in enumerate(found)]
    rows, _ = pairs(case("preference", "brevity"), *samples, gap=0.0)
    for chosen, rejected in rows:
        by_text = {s.text: s for s in samples}
        assert by_text[chosen].kept
        assert by_text[chosen].score > by_text[rejected].score


def test_rows_are_plain_json_in_the_order_of_the_cases():
    rows = [(case(name=n), (reply("X", True),)) for n in ("b", "a")]
    made = make(rows, instead=INSTEAD)
    assert [r["case"] for r in made.rows] == ["b", "a"]
    assert made.rows[0]["prompt"][1]["content"] == "Q"
    assert "breaches secret" in made.rows[0]["why"]


@pytest.mark.parametrize("wrong", [{"instead_share": 1.5}, {"per_case": 0}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Pairing(**wrong)
