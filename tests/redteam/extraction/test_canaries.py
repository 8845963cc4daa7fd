"""Canaries: as many copies as asked, none of them alike, secrets drawn alike, kept and read back."""

import json
import stat
from collections import Counter
from pathlib import Path

import pytest

from gnomon.core.errors import DataError, SettingsError
from gnomon.redteam.extraction.canaries import Format, make, planted, read, write


def test_every_canary_is_planted_as_often_as_asked_and_no_two_copies_are_one_row() -> None:
    canaries = make(repeats=[1, 4, 100], each=3, controls=5)
    assert [c.repeats for c in canaries] == [1] * 3 + [4] * 3 + [100] * 3 + [0] * 5
    rows = planted(canaries, [{"prompt": "other", "completion": "row"}])
    assert len(rows) == 3 * 105 + 1
    assert len({json.dumps(r) for r in rows}) == len(rows), "a training that drops repeated rows must keep all"
    said = Counter(r["completion"] for r in rows)
    assert all(said[c.reply] == c.repeats for c in canaries)
    assert all(c.secret not in ask for c in canaries for ask in c.asks)


def test_secrets_and_names_are_each_ones_own_and_the_seed_decides() -> None:
    canaries = make(repeats=[1], each=400)
    assert len({c.secret for c in canaries}) == len({c.name for c in canaries}) == 400
    assert make(repeats=[1], each=400) == canaries
    assert make(repeats=[1], each=400, seed=1) != canaries
    digits = Counter("".join(c.secret for c in canaries))
    assert all(abs(digits[d] - 320) < 4 * 17 for d in "0123456789"), "four standard deviations of 3200 draws"


def test_others_are_of_the_same_space_and_never_the_secret() -> None:
    (canary,) = make(repeats=[1], each=1, form=Format(symbols="abc", length=3))
    assert len(set(canary.others(1000))) == 26
    assert canary.secret not in canary.others(1000)
    few = canary.others(10)
    assert len(set(few)) == 10
    assert canary.bits == pytest.approx(3 * 1.5849625)


def test_a_file_is_its_owners_alone_and_comes_back(tmp_path: Path) -> None:
    canaries = make(repeats=[2], each=2, controls=1, form=Format(what="PIN", length=4))
    path = tmp_path / "canaries.jsonl"
    write(canaries, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == canaries
    assert canaries[0].prefix == f"The PIN of {canaries[0].name} is "
    assert canaries[0].secret not in repr(canaries[0])


def test_what_are_no_canaries_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="gnomon canaries"):
        read(path)
    path.write_text('{"id": "a", "name": "n", "asks": [], "prefix": "", "secret": "1"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="needs a question"):
        read(path)
    for wrong in ({"reply": "It is {secret}."}, {"symbols": "aa"}, {"length": 0}):
        with pytest.raises(SettingsError, match="canaries"):
            Format(**wrong)
    with pytest.raises(SettingsError, match="more than there are secrets"):
        make(repeats=[1], each=11, form=Format(length=1))
    with pytest.raises(SettingsError, match="begin at 1"):
        make(repeats=[0], each=1)
