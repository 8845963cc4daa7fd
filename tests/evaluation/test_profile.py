"""A profile of scripted models: every suite asked, two models paired item by item, discoveries corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from scipy.stats import false_discovery_control

from gnomon.core.errors import DataError, PluginError
from gnomon.core.protocols import Model, Quiet
from gnomon.core.statistics.paired import paired
from gnomon.evaluation.items import Answer, Item, Measured
from gnomon.evaluation.profile import Compared, built, compared, own_suites, profile, rows
from gnomon.evaluation.suites._replies import asking, value
from gnomon.evaluation.suites._values import Value, mean
from gnomon.executor.answers import Store
from gnomon.ledger.store import Ledger
from gnomon.models.scripted import Rule, ScriptedModel


@dataclass(frozen=True)
class Sums:
    """Questions in clusters of three; two dimensions, of which one has no good way."""

    count: int = 30

    def items(self, *, seed: int) -> Sequence[Item]:
        return [
            Item(id=str(n), cluster=f"c{n // 3}", prompt=asking(f"What is {n} + 1?"), expect={"answer": [str(n + 1)]})
            for n in range(self.count)
        ]

    def measured(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Measured]:
        right = [value(i, answers, lambda t: float(t.reply == t.expect["answer"][0])) for i in items]
        long = [value(i, answers, lambda t: float(len(t.reply))) for i in items]
        whole = replace(mean("x/whole", [Value(v.item, v.value) for v in right], direction="neither"), values={})
        return [
            mean("sums/right", right, direction="higher is better"),
            mean("sums/length", long, direction="neither", high=99.0, unit="characters"),
            whole,
        ]


def knows(most: int) -> ScriptedModel:
    """A model that adds up to a number, and says so otherwise."""
    return ScriptedModel(
        rules=tuple(Rule(pattern=f"What is {n} \\+ 1", reply=str(n + 1)) for n in range(most)), default="no idea"
    )


def made(folder: Path, models: Mapping[str, Model], suites: Mapping[str, Sums], share: float = 1.0) -> Ledger:
    with Ledger.open(folder / "evidence") as ledger, Store.open(folder / "store") as store:
        for subject, model in models.items():
            profile(
                suites=suites,
                subject=subject,
                model=model,
                seed=0,
                share=share,
                store=store,
                ledger=ledger,
                stage=lambda title: Quiet(),
                executor=lambda sink: None,
            )
    return Ledger.read(folder / "evidence")


def test_every_suite_is_measured_and_the_latest_counts(tmp_path: Path) -> None:
    ledger = made(tmp_path, {"a": knows(12)}, {"one": Sums(), "two": Sums(6)})
    found = rows(ledger, "a")
    assert [(r.suite, r.measured.dimension) for r in found if r.measured.dimension == "sums/right"] == [
        ("one", "sums/right"),
        ("two", "sums/right"),
    ]
    assert [r.measured.estimate.value for r in found if r.measured.dimension == "sums/right"] == [0.4, 1.0]
    assert all(ledger.get(r.record).kind == "measures" for r in found)


def test_two_models_are_paired_item_by_item(tmp_path: Path) -> None:
    ledger = made(tmp_path, {"a": knows(12), "b": knows(21)}, {"one": Sums()})
    found = {c.dimension: c for c in compared(ledger, "a", "b")}
    assert found.keys() == {"sums/right", "sums/length"}, "what is no mean of items is not compared"
    right = found["sums/right"]
    olds, news = [[float(n < 12)] for n in range(30)], [[float(n < 21)] for n in range(30)]
    outside = paired(olds, news, [f"c{n // 3}" for n in range(30)], unit="rate")
    assert (replace(right.difference, unit="rate"), right.p) == (outside.difference, outside.p)
    assert right.difference.unit == "difference of rates"
    assert (right.fell, right.rose, right.unpaired, right.better) == (0, 9, 0, True)
    assert found["sums/length"].better is None


def test_discoveries_are_corrected_over_all_suites(tmp_path: Path) -> None:
    suites = {"one": Sums(), "three": Sums(21), "two": Sums(6)}
    found = compared(made(tmp_path, {"a": knows(12), "b": knows(18)}, suites), "a", "b")
    ps = [c.p for c in found]
    assert [c.q for c in found] == pytest.approx(false_discovery_control(ps))
    assert [c.q for c in found] != pytest.approx(ps)


def test_missing_answers_of_one_side_are_counted_not_paired(tmp_path: Path) -> None:
    class Failing:
        identity: Mapping[str, str] = {"name": "failing"}

        def generate(self, *, prompts: Sequence[object], sampling: object) -> list[object]:
            from gnomon.core.errors import ModelError

            if any("+ 1" in p.request and p.request.startswith("What is 2") for p in prompts):  # type: ignore[attr-defined]
                raise ModelError("no")
            return [p.answered("1") for p in prompts]  # type: ignore[attr-defined]

    ledger = made(tmp_path, {"a": knows(30), "b": Failing()}, {"one": Sums()})  # type: ignore[dict-item]
    (right,) = [c for c in compared(ledger, "a", "b") if c.dimension == "sums/right"]
    assert right.unpaired == 11
    assert right.difference.n == 19
    assert right.better is False


def test_profiles_that_were_not_asked_alike_are_not_compared(tmp_path: Path) -> None:
    made(tmp_path, {"a": knows(12)}, {"one": Sums()})
    ledger = made(tmp_path, {"b": knows(12)}, {"one": Sums()}, share=0.5)
    with pytest.raises(DataError, match="asked with another share"):
        compared(ledger, "a", "b")


def test_a_difference_of_nothing_has_no_better_side() -> None:
    (one,) = [
        Compared(
            suite="s",
            dimension="d",
            direction=way,  # type: ignore[arg-type]
            first=e,
            second=e,
            difference=replace(e, value=v),
            fell=0,
            rose=0,
            unpaired=0,
            p=1.0,
            q=1.0,
        ).better
        for e in [mean("d", [Value(Sums().items(seed=0)[0], 0.0)], direction="neither").estimate]
        for way, v in [("higher is worse", 0.0)]
    ]
    assert one is None


def test_suites_of_our_own_need_no_data() -> None:
    assert "bbq" not in own_suites()
    assert "multiple_choice" not in own_suites()
    with pytest.raises(PluginError, match="did you mean 'bbq'"):
        built(["bbqq"], {})
    with pytest.raises(DataError, match="'bbq', which is not asked"):
        built([], {"bbq": {"path": "x"}})
