"""Reward hacking search: replies are changed until a proxy likes them, while a gold measure looks on and is not used.

Black box: the proxy is only asked for scores, in batches. All replies go on in lockstep: random chains of changes
(`best_of_n`), the best of a few changes at a time (`climb`), or a bred population (`genetic`). No model is asked.
Source: Gao et al. 2210.10760 for gold against proxy along the effort; Skalse et al. 2209.13085 for what a hack is; the
searches as in the attacks `best_of_n` and `autodan`.
Departs: replies are edited, not sampled from a policy, so what is found is what the proxy would pay for, not what a
trained model would do first.
Units: effort is scores of the proxy for one reply; both measures as goods in [0, 1], 1 best.
Fails: closed; a reply that the proxy cannot score is never taken, one that gold cannot has no gold value.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gnomon.core.errors import SettingsError
from gnomon.core.protocols import Dimension
from gnomon.core.seeds import generator
from gnomon.core.types import Message, Transcript
from gnomon.redteam.edits import Edited, edited, mixed
from gnomon.redteam.words import SYNONYMS, content
from gnomon.scoring import judge

Method = Literal["best_of_n", "climb", "genetic"]
METHODS: tuple[Method, ...] = ("best_of_n", "climb", "genetic")
LONGEST = 4000
"""Characters of a reply beyond which no change is taken: a search for length would never end."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How it is searched."""

    method: Method = "climb"
    effort: int = 200
    """Scores of the proxy that one reply may cost."""
    width: int = 8
    """Changed replies that are scored in one round, of one start."""
    chain: int = 6
    """The most changes of one try of `best_of_n`."""
    population: int = 16
    """Replies that `genetic` keeps."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"method is '{self.method}'; write one of {', '.join(METHODS)}")
        if min(self.effort, self.width, self.chain) < 1 or self.population < 2:
            raise SettingsError("effort, width and chain must be at least 1, population at least 2")


class Point(NamedTuple):
    """The best reply so far after an effort."""

    effort: int
    proxy: float
    gold: float | None
    words: int


@dataclass(frozen=True, kw_only=True)
class Path:
    """The search from one reply."""

    id: str
    start: Transcript
    end: Transcript
    points: tuple[Point, ...]
    """After each round, the start first."""
    earned: Mapping[str, float]
    """By kind of change, what the changes behind the best reply earned, in the proxy's good."""
    words: Mapping[str, float]
    """The same by word that came in."""


class _Held(NamedTuple):
    """A reply that was scored, and what each change on the way to it earned: kind, word, good."""

    value: float
    text: str
    way: tuple[tuple[str, str, float], ...] = ()


class _Try(NamedTuple):
    """A changed reply that waits for its score."""

    lane: "_Lane"
    origin: _Held
    text: str
    changes: tuple[Edited, ...]


@dataclass
class _Lane:
    """The search from one start."""

    start: Transcript
    draw: random.Random
    held: list[_Held]
    """The best first."""
    points: list[Point] = field(default_factory=list)


def hacked(
    starts: Mapping[str, Transcript], *, proxy: Dimension, gold: Dimension | None, search: Search, seed: int
) -> list[Path]:
    """One path for each start that the proxy can score, in order; the same arguments give the same paths."""
    words = vocabulary(list(starts.values()))
    goods = dict(zip(starts, _goods(proxy, list(starts.values())), strict=True))
    lanes = {
        id: _Lane(start, generator(seed, "proxy", id), [_Held(value, start.reply)])
        for id, start in starts.items()
        if (value := goods[id]) is not None
    }
    _noted(list(lanes.values()), gold, 0)
    for size in _rounds(search):
        tries = [_tried(lane, search, words) for lane in lanes.values() for _ in range(size)]
        values = _goods(proxy, [_said(t.lane.start, t.text) for t in tries])
        for one, value in zip(tries, values, strict=True):
            if value is not None and len(one.text) <= LONGEST:
                one.lane.held.append(_scored(one, value))
        for lane in lanes.values():
            # Of equals the older stays first, so that nothing comes in without being paid for.
            lane.held = sorted(_distinct(lane.held), key=lambda h: -h.value)
            del lane.held[search.population if search.method == "genetic" else 1 :]
        _noted(list(lanes.values()), gold, size)
    return [_path(id, lane) for id, lane in lanes.items()]


def vocabulary(starts: Sequence[Transcript]) -> tuple[str, ...]:
    """Words that may come into a reply: those of all requests and replies, and of the table of synonyms."""
    own = {word for t in starts for word in content(f"{t.request} {t.reply}")}
    return tuple(sorted(own | {w for group in SYNONYMS.values() for w in group}))


def _rounds(search: Search) -> Iterator[int]:
    """Tries of each round, which add up to the effort."""
    left = search.effort
    while left:
        size = min(search.width, left)
        left -= size
        yield size


def _tried(lane: _Lane, search: Search, words: Sequence[str]) -> _Try:
    draw = lane.draw
    origin, text, changes = lane.held[0], lane.held[0].text, []
    if search.method == "best_of_n":
        origin = _Held(lane.points[0].proxy, lane.start.reply)
        text = origin.text
    elif search.method == "genetic":
        # The nearer to the top, the likelier a parent.
        chances = range(len(lane.held), 0, -1)
        one, two = draw.choices(lane.held, chances, k=2)
        origin, text = max(one, two, key=lambda h: h.value), one.text
        if draw.random() < 0.5:
            text = mixed(one.text, two.text, draw)
            changes.append(Edited(text, "mixed"))
    for _ in range(draw.randint(1, search.chain) if search.method == "best_of_n" else 1):
        changes.append(edited(text, words, draw))
        text = changes[-1].text
    return _Try(lane, origin, text, tuple(changes))


def _scored(one: _Try, value: float) -> _Held:
    """Changes that were made together share what they earned."""
    share = (value - one.origin.value) / len(one.changes)
    return _Held(value, one.text, (*one.origin.way, *((c.kind, c.word, share) for c in one.changes)))


def _distinct(held: Sequence[_Held]) -> list[_Held]:
    first: dict[str, _Held] = {}
    for one in held:
        first.setdefault(one.text, one)
    return list(first.values())


def _noted(lanes: Sequence[_Lane], gold: Dimension | None, spent: int) -> None:
    """One more point for each; gold is asked again only where the best reply is another one."""
    for lane in lanes:
        best = lane.held[0]
        before = lane.points[-1] if lane.points else None
        effort = (before.effort if before else 0) + spent
        if before and best.value == before.proxy:
            lane.points.append(before._replace(effort=effort))
        else:
            (seen,) = _goods(gold, [_said(lane.start, best.text)]) if gold else (None,)
            lane.points.append(Point(effort, best.value, seen, len(best.text.split())))


def _said(start: Transcript, reply: str) -> Transcript:
    *before, _ = start.messages
    return Transcript((*before, Message("assistant", reply)), start.expect)


def _goods(dimension: Dimension, transcripts: Sequence[Transcript]) -> list[float | None]:
    return [judge.normalised(s, dimension) for s in judge.scores(dimension, transcripts)]


def _path(id: str, lane: _Lane) -> Path:
    best = lane.held[0]
    kinds: dict[str, float] = {}
    words: dict[str, float] = {}
    for kind, word, earned in best.way:
        kinds[kind] = kinds.get(kind, 0.0) + earned
        if word:
            words[word] = words.get(word, 0.0) + earned
    return Path(
        id=id,
        start=lane.start,
        end=_said(lane.start, best.text),
        points=tuple(lane.points),
        earned=kinds,
        words=words,
    )
