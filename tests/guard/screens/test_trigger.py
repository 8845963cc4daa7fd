"""The trigger screen: which texts it reads and what it points at."""

import pytest

from gnomon.core import plugin
from gnomon.core.errors import SettingsError
from gnomon.core.types import Message, Role, Span, Transcript, Verdict

PATTERNS = [["code", r"(?i)staff code"], ["safety", r"cut-?off"], ["code", r"\bPIN\b"]]


def check(text: str, role: Role = "user", patterns: object = PATTERNS) -> Verdict:
    screen = plugin.build("screen", "trigger", {"patterns": patterns})
    verdict: Verdict = screen.check(pending=Transcript((Message("system", "s"), Message(role, text))), past=())
    return verdict


def test_every_hit_has_its_span_and_the_first_norm_is_named() -> None:
    verdict = check("the cutoff and the Staff Code")
    assert (verdict.action, verdict.norm) == ("escalate", "code")
    assert set(verdict.spans) == {Span(1, 4, 10), Span(1, 19, 29)}
    assert "code, safety" in verdict.reason


def test_spans_count_characters_and_not_bytes() -> None:
    assert check("Zürich – staff code").spans == (Span(1, 9, 19),)


@pytest.mark.parametrize("text", ["ＳＴＡＦＦ ＣＯＤＥ", "staff\u2060 code", "st\u00adaff code", "𝐬𝐭𝐚𝐟𝐟 𝐜𝐨𝐝𝐞"])
def test_folding_shows_what_letters_hide(text: str) -> None:
    verdict = check(text)
    assert verdict.action == "escalate"
    assert verdict.spans == ()


@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_only_users_trigger(role: Role) -> None:
    assert check("staff code", role).action == "allow"


def test_the_flags_of_one_pattern_do_not_reach_the_next() -> None:
    assert check("my pin").action == "allow"
    assert check("my PIN").action == "escalate"


def test_a_pattern_with_an_alternative_stays_whole() -> None:
    assert check("b", patterns=[["n", "^a|b$"], ["m", "x"]]).action == "escalate"
    assert check("cxc", patterns=[["n", "^a|b$"], ["m", "^x$"]]).action == "allow"


def test_look_around_is_an_error_that_names_the_norm() -> None:
    with pytest.raises(SettingsError, match="norm 'n'"):
        check("x", patterns=[["n", "(?<=a)b"]])
