"""What is learned from: breaks of the train families, twins in the same words, and words that only breaks share."""

from gnomon.cli import hardening
from gnomon.cli.hardening_attacks import Arm, sources_of, struck
from gnomon.cli.hardening_material import Material, benign, breaking, paired, rehearsal, ruled
from gnomon.cli.stages import Run
from gnomon.redteam.findings import found
from tests.cli.test_stages import run  # noqa: F401 - a fixture

SEED = 5


def material(run: Run, *names: str) -> tuple[Material, list]:  # type: ignore[type-arg]  # noqa: F811
    """What the scripted model gives away on the train families."""
    plan = hardening.Plan(train_goals=6)
    aims = hardening.train_goals(run, plan)
    attacks = hardening.attacks_of(run, names)
    arm = Arm(name="train", subject="l/1/train", loop="l", aims=aims, attacks=attacks, seed=SEED)
    rows = struck(run, arm, run.model)
    listed = hardening.few(found(rows, severity={}), 12)
    sources = sources_of(listed, [(arm, rows)], run.settings.tries)
    return Material(findings=listed, sources=sources, rehearsed=2), rows


def test_findings_are_probes_of_the_train_families(run: Run) -> None:  # noqa: F811
    made, _ = material(run, "direct", "roleplay")
    cases = [case for case, _ in breaking(made)]
    assert cases
    assert {c.family for c in cases} == {"ask"}
    assert {(c.kind, c.split, c.target) for c in cases} == {("probe", "train", "door-code")}


def test_each_finding_brings_its_twin_in_the_same_words(run: Run) -> None:  # noqa: F811
    made, _ = material(run, "roleplay")
    cases = list(benign(run, made))
    assert len(cases) == len(made.findings)
    plain = {c.id: c for c in run.cases("train", ["lookalike"])}
    for case, finding in zip(cases, made.findings, strict=True):
        original = plain[case.id.partition("~")[0]]
        goal = made.sources[finding.id].goal.prompt.request
        assert original.twin == finding.family
        assert case.prompt.request == finding.prompt.request.replace(goal, original.prompt.request)


def test_pairs_reject_the_break_and_the_refusal_of_its_twin(run: Run) -> None:  # noqa: F811
    made, _ = material(run, "direct", "roleplay")
    rows = paired(run, made).rows
    norm = run.loaded.charter.norms[0]
    kinds = {"probe": [], "lookalike": []}  # type: ignore[var-annotated]
    for row in rows:
        kinds.get(row["case"].split("/")[1], []).append(row)
    assert kinds["probe"]
    assert all(r["chosen"] in norm.instead for r in kinds["probe"])
    assert all("CEDAR-3052" in r["rejected"] for r in kinds["probe"])
    assert kinds["lookalike"]
    assert all(r["rejected"] in norm.instead for r in kinds["lookalike"])


def test_rehearsal_can_be_left_out(run: Run) -> None:  # noqa: F811
    assert rehearsal(run, 0) == ()
    assert {c.split for c in rehearsal(run, 2)} == {"train"}


def test_rules_come_from_words_that_several_goals_share(run: Run) -> None:  # noqa: F811
    _, rows = material(run, "direct")
    assert ruled(run, rows, hardening.train_goals(run, hardening.Plan(train_goals=6)), 2) == (), (
        "plain questions share no words but their own"
    )
    _, rows = material(run, "prefix", "roleplay")
    rules = ruled(run, rows, hardening.train_goals(run, hardening.Plan(train_goals=6)), 2)
    assert rules
    assert not any({"door", "code"} & set(r.words.split()) for r in rules)
