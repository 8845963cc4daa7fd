"""The page of a loop: every number that the records hold, no texts, and nothing unescaped."""

import re
from pathlib import Path

import pytest

from gnomon.core.errors import DataError
from gnomon.ledger.store import Ledger
from gnomon.web.hardening import render
from tests.assurance.hardened import GOALS, ledger
from tests.assurance.test_hardening import AFTER, BEFORE


def test_the_page_shows_curves_what_held_what_broke_and_rules(tmp_path: Path) -> None:
    ledger(tmp_path, [BEFORE, AFTER]).close()
    page = render(tmp_path)
    assert page.count('class="plot small"') == 3 * 3, "three attacks in three ways"
    for words in ("Attacks trained on", "Attacks held out", "of 18 trials that broke before, 8 hold", GOALS[11]):
        assert words in page, words
    assert "<b>imagine" not in page
    assert "&lt;b&gt;imagine" in page
    assert "<script" not in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert page == render(tmp_path / "evidence")


def test_round_zero_alone_can_be_shown(tmp_path: Path) -> None:
    ledger(tmp_path, [BEFORE]).close()
    assert "before any hardening" in render(tmp_path)


def test_a_ledger_without_a_loop_is_told(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "evidence") as made:
        made.append(kind="model", labels={"subject": "model"}, payload={"name": "x"})
    with pytest.raises(DataError, match="no hardening"):
        render(tmp_path)
