from gnomon.charter import checks
from gnomon.charter.load import STARTER, load


def test_a_loaded_charter_has_nothing_wrong() -> None:
    charter = load(STARTER).charter
    assert checks.settings_findings(charter) == []
    assert checks.leak_findings(charter) == []
    assert [target.id for _, target in checks.targets(charter)] == ["door-code", "grounded"]


def test_splits_are_compared_by_words_not_by_case_spacing_or_names_of_slots() -> None:
    charter = load(STARTER).charter
    norm = charter.norms[0]
    copy = norm.probes[0].model_copy(update={"family": "copy", "split": "held-out"})
    leaky = charter.model_copy(update={"norms": (norm.model_copy(update={"probes": (*norm.probes, copy)}),)})
    found = checks.leak_findings(leaky)
    assert [wrong.path for wrong in found] == [("norms", 0, "probes", 5, "turns")] * 2
    assert "the same template is in family 'ask' of split 'train'" in found[0].what
    assert "the same conversation" in found[1].what
