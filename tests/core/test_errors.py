"""The error tree is what its drawing says, and messages list the real names."""

import inspect
import re

import pytest

from gnomon.core import errors


def tree() -> dict[str, str]:
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, errors.GnomonError)]
    return {k.__name__: k.__mro__[1].__name__ for k in kinds}


def test_the_drawing_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"([\s│├└─]*)(\w+(?:Error|Spent))\b", line):
            depth = len(match[1])
            parents = [d for d in above if d < depth]
            drawn[match[2]] = above[max(parents)] if parents else "Exception"
            above = {d: n for d, n in above.items() if d < depth} | {depth: match[2]}
    assert drawn == tree()


def test_every_error_says_what_it_is_and_how_the_program_ends() -> None:
    for name in tree():
        kind = getattr(errors, name)
        assert kind.__doc__
        assert kind.exit_code == (4 if name == "IntegrityError" else 2)


def test_exit_codes_are_distinct() -> None:
    codes = [getattr(errors, n) for n in dir(errors) if n.startswith("EXIT_")]
    assert sorted(codes) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("hing", ["dpo", "hinge"], "did you mean 'hinge'? there are: dpo, hinge"),
        ("zzz", ["b", "a"], "there are: a, b"),
        ("x", [], "there are none"),
    ],
)
def test_choices(wrong: str, right: list[str], message: str) -> None:
    assert errors.choices(wrong, right) == message
