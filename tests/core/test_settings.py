"""Settings from mappings and from the command line."""

from dataclasses import dataclass
from typing import Literal

import pytest

from gnomon.core.errors import SettingsError
from gnomon.core.settings import make, parse_pairs


@dataclass(frozen=True, kw_only=True)
class Demo:
    size: int = 1
    name: str = "a"
    kind: Literal["x", "y"] = "x"
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0:
            raise SettingsError("size is negative; write 0 or more")


def test_make() -> None:
    assert make(Demo, {"size": 2, "words": ["a", "b"]}, name="demo") == Demo(size=2, words=("a", "b"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 2}, r"demo has no setting 'sise'; did you mean 'size'\? there are: kind, name, size, words"),
        ({"size": "2"}, "demo: .*int.*size"),
        ({"kind": "z"}, "demo: .*kind"),
        ({"words": "abc"}, "demo: .*words"),
        ({"size": -1}, "size is negative"),
    ],
)
def test_what_does_not_fit(values: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make(Demo, values, name="demo")


@pytest.mark.parametrize(
    ("pairs", "tree"),
    [
        (["a.b=1", "c=x"], {"a": {"b": 1}, "c": "x"}),
        (["a=[1, x]", "b=", "c=true", "d=1e-3", "e=k=v"], {"a": [1, "x"], "b": "", "c": True, "d": 1e-3, "e": "k=v"}),
        (["a.b=1", "a.c=2"], {"a": {"b": 1, "c": 2}}),
        (["a=: : {"], {"a": ": : {"}),
        ([], {}),
    ],
)
def test_pairs(pairs: list[str], tree: dict) -> None:
    assert parse_pairs(pairs) == tree


@pytest.mark.parametrize("pairs", [["a"], ["=1"], ["a=1", "a.b=2"]])
def test_pairs_that_are_none(pairs: list[str]) -> None:
    with pytest.raises(SettingsError):
        parse_pairs(pairs)
