from gnomon.redteam.memory.consensus import Consensus
from gnomon.redteam.memory.store import Entry, Hashed, Hit


def kept(*answers: str) -> list[str]:
    hits = [Hit(Entry("q", answer), 1.0) for answer in answers]
    return [hit.entry.answer for hit in Consensus(embed=Hashed())(hits)]


def test_the_odd_one_goes_and_the_rest_keeps_its_order() -> None:
    assert kept("tea at four", "go to desk seven", "tea at five") == ["tea at four", "tea at five"]


def test_a_majority_of_poison_drives_out_the_truth() -> None:
    assert kept("go to desk seven", "tea at four", "go to desk seven") == ["go to desk seven"] * 2


def test_two_are_no_consensus_and_equals_all_stay() -> None:
    assert kept("tea", "desk") == ["tea", "desk"]
    assert len(kept("tea", "tea", "tea")) == 3
    assert kept("a", "b", "c") == ["a", "b", "c"], "all alike unlike: nobody is odd"
