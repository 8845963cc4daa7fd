"""The verbs are protocols with one keyword-only method, and the bundled plug-ins fit them."""

import inspect

import pytest

from gnomon.core import plugin, protocols
from gnomon.core.protocols import Quiet, Sampling
from gnomon.core.types import Record

PROTOCOLS = [k for _, k in inspect.getmembers(protocols, inspect.isclass) if getattr(k, "_is_protocol", False)]
OURS = [k for k in PROTOCOLS if k.__module__ == protocols.__name__]


@pytest.mark.parametrize("kind", OURS, ids=lambda k: k.__name__)
def test_one_verb_each(kind: type) -> None:
    verbs = [
        n
        for n, v in vars(kind).items()
        if inspect.isfunction(v) and (not n.startswith("_") or n == "__call__")
        if n != "__init__"
    ]
    assert len(verbs) == (2 if kind.__name__ == "Sink" else 1)
    for verb in verbs:
        assert inspect.getdoc(getattr(kind, verb))


@pytest.mark.parametrize(
    ("kind", "verb", "protocol"),
    [("dimension", "score", "Dimension"), ("attack", "propose", "Attack"), ("screen", "check", "Screen")],
)
def test_plugins_have_the_verb_with_the_same_arguments(kind: str, verb: str, protocol: str) -> None:
    wanted = inspect.signature(getattr(getattr(protocols, protocol), verb)).parameters
    for name in plugin.names(kind):
        have = inspect.signature(getattr(plugin.load(kind, name), verb)).parameters
        assert list(have) == list(wanted), name
        assert all(have[n].kind == wanted[n].kind for n in wanted), name


def test_quiet_drops_everything() -> None:
    Quiet().number("a", 1.0, "nats", 0)
    Quiet().record(Record(kind="a", payload="b"))


def test_sampling_is_greedy_by_default() -> None:
    assert Sampling().temperature == 0.0
