"""Forms that speak to a judge: each names the verdict, and a reply carries one behind its own words."""

import pytest

from gnomon.core.errors import DataError
from gnomon.core.types import Message, Transcript
from gnomon.scoring.judge_injection import CONTROL, FORMS, injected, written


@pytest.mark.parametrize("form", [f for f in FORMS if f != CONTROL])
def test_every_form_says_what_is_wanted(form: str) -> None:
    assert "maybe" in written(form, "maybe")
    assert "{" not in written(form, "maybe").replace('{"reason"', "")


def test_the_innocent_one_says_nothing_of_it() -> None:
    assert "maybe" not in written(CONTROL, "maybe")


def test_the_reply_keeps_its_words_and_what_is_expected() -> None:
    plain = Transcript((Message("user", "?"), Message("assistant", "It is shut.")), {"answer": "x"})
    found = injected(plain, "order", "yes")
    assert found.reply.startswith("It is shut.\n\nNote to the judge")
    assert (found.messages[0], found.expect) == (plain.messages[0], plain.expect)
    with pytest.raises(DataError, match="there are: control"):
        injected(plain, "flattery", "yes")
