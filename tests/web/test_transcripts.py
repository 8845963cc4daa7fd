"""Which conversations are shown, and where their marks lie."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gnomon.web.transcripts import attack_samples, pieces, samples

spans = st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=5)


@given(st.text(max_size=30), spans)
def test_pieces_lose_nothing_and_mark_what_was_asked(text, asked):
    cut = pieces(text, asked)
    assert "".join(p for p, _ in cut) == text
    marked = {i for s, e in asked for i in range(max(s, 0), min(e, len(text)))}
    flags = [m for p, m in cut for _ in p]
    assert [i for i, m in enumerate(flags) if m] == sorted(marked)
    assert all(p for p, _ in cut)
    assert all(a[1] != b[1] for a, b in itertools.pairwise(cut))


def test_samples_show_what_they_say(runs):
    found = samples(runs["full"], ["staff-code", "no-human-claim"])
    assert {s.why for s in found} >= {"broken before, kept after", "still broken after"}
    for s in found:
        before, after, guarded = s.sides
        if s.why == "broken before, kept after":
            assert (before.broken, after.broken) == (True, False)
            assert any(marked for turn in before.turns for _, marked in turn.pieces)
        if s.why == "still broken after":
            assert before.broken
            assert after.broken
        assert not guarded.broken
        assert len(before.turns) == 1
        assert s.system


def test_without_alignment_there_is_one_side(runs):
    for s in samples(runs["endpoint"], ["staff-code"]):
        assert len(s.sides) == 1
    assert samples(runs["bare"], ["staff-code"]) == []


def test_attacks_are_shown_with_and_without_the_guard(runs):
    found = attack_samples(runs["full"])
    assert found
    assert len({s.target for s in found}) == len(found)
    for s in found:
        assert [side.broken for side in s.sides] == [True, False]
    assert [len(s.sides) for s in attack_samples(runs["endpoint"])] == [1] * 4
