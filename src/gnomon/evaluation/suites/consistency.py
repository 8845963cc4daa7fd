"""Whether a model agrees with itself: over wordings, negation, order, rings of comparisons, sums backward, samples.

Right and wrong play no part: a model that always errs alike is consistent. By likelihood of choices, samples by reply.
Comparisons stand in a ring (A or B, B or C, C or A), so that always choosing what is named first is a cycle. Backward
sums start from what the model itself said forward. Who says no to everything affirms no contradiction: so two ways of
asking must also lean to the same of a statement and its negation. Chance: wordings 1/3 or 1/4, leaning and either order
1/2, rings 3/4.
Source: Elazar et al., 2102.01017 (agreement over paraphrases); Jang and Lukasiewicz, 2303.06273 (negation, symmetry,
transitivity); Wang et al., 2203.11171 (agreement of samples); backward sums: 2309.12288, 2308.07758. Our own texts.
Units: shares of clusters, or of pairs in one. Fails: closed; it reads nothing but its own texts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gnomon.evaluation.items import Answer, Direction, Item, Measured
from gnomon.evaluation.suites._checks import picked
from gnomon.evaluation.suites._choices import Length, answered, likeliest, scores
from gnomon.evaluation.suites._clusters import clusters, whole
from gnomon.evaluation.suites._replies import asking, replies, spoken
from gnomon.evaluation.suites._values import Value, mean
from gnomon.evaluation.suites._written import written
from gnomon.scoring import text

VERSION = "2"
EXTREMES = {
    "process/agreement over wordings": (1.0, 0.0),
    "process/affirms one of a statement and its negation": (1.0, 0.0),
    "process/affirms a statement and its negation": (0.0, 1.0),
    "process/leans alike to a statement over its negation": (1.0, 0.0),
    "process/comparison in either order": (1.0, 0.0),
    "process/comparisons without a cycle": (1.0, 0.0),
    "process/sums backward": (1.0, 0.0),
    "process/agreement of samples": (1.0, 0.0),
}
YES, NO = "Yes", "No"
ASKED = {
    "": ("Is this statement true? {} Answer yes or no.", (YES, NO)),
    " again": ("Consider the statement: {} Right or wrong?", ("Right", "Wrong")),
}
"""Two ways to ask for the truth of a statement, by what they add to an item's part."""


@dataclass(frozen=True)
class _Worded:
    """One question in three wordings."""

    asked: tuple[str, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True)
class _Ring:
    """Three things that are compared two at a time."""

    asked: str
    things: tuple[str, str, str]


@dataclass(frozen=True)
class _Reckoned:
    """A sum, and the way back from its result."""

    forward: str
    right: int
    backward: str
    first: int


@dataclass(frozen=True)
class _Sampled:
    """A question whose reply names one of its options."""

    asked: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class _Texts:
    """Of the file."""

    wordings: tuple[_Worded, ...]
    negations: tuple[tuple[str, str], ...]
    rings: tuple[_Ring, ...]
    sums: tuple[_Reckoned, ...]
    sampled: tuple[_Sampled, ...]


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Agreement of a model with itself."""

    samples: int = 4
    """Replies to each question that is asked several times."""
    max_new_tokens: int = 16
    """Most tokens of such a reply."""
    temperature: float = 0.7
    """At which they are drawn."""
    length: Length = "sum"
    """What a choice's log-probability is divided by."""

    def items(self, *, seed: int) -> Sequence[Item]:
        """All texts in the order of the file."""
        texts = written("consistency", _Texts)
        found = [
            _item(f"wordings/{n}", str(w), asked, row.choices)
            for n, row in enumerate(texts.wordings)
            for w, asked in enumerate(row.asked)
        ]
        for n, pair in enumerate(texts.negations):
            found += [
                _item(f"negations/{n}", part + way, form.format(said), choices)
                for way, (form, choices) in ASKED.items()
                for part, said in zip(("statement", "negation"), pair, strict=True)
            ]
        for n, ring in enumerate(texts.rings):
            a, b, c = ring.things
            for part, (one, other) in {"ab": (a, b), "bc": (b, c), "ca": (c, a), "ba": (b, a)}.items():
                found.append(_item(f"rings/{n}", part, f"{ring.asked} {one} or {other}?", (one, other)))
        for n, sum_ in enumerate(texts.sums):
            near = tuple(str(sum_.right + d) for d in (-1, 0, 1, 10))
            found.append(_item(f"sums/{n}", "forward", f"{sum_.forward} Answer with the number.", near))
        for n, row in enumerate(texts.sampled):
            found.append(
                Item(
                    id=f"sampled/{n}",
                    cluster=f"sampled/{n}",
                    prompt=asking(f"{row.asked} Answer with one word."),
                    samples=self.samples,
                    expect={"options": list(row.options)},
                    groups={"part": "sampled"},
                )
            )
        return found

    def follow(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Item]:
        """The way back of every sum that has an answer and was not asked yet."""
        texts, there = written("consistency", _Texts), {i.id for i in items}
        found = []
        for item in items:
            if item.groups["part"] == "forward" and f"{item.cluster}/backward" not in there:
                sum_, said = texts.sums[int(item.cluster.split("/")[1])], _chosen(item, answers, self.length)
                if said is not None:
                    near = tuple(str(sum_.first + d) for d in (-1, 0, 1, 10))
                    asked = f"{sum_.backward.replace('{n}', said)} Answer with the number."
                    found.append(_item(item.cluster, "backward", asked, near))
        return found

    def measured(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Measured]:
        """One value a cluster."""

        def rated(of: str, parts: Sequence[str], size: int, value: Callable[..., float]) -> list[Value]:
            found = []
            for all_ in clusters([i for i in items if i.cluster.startswith(f"{of}/")]):
                own = [i for i in all_ if i.groups["part"] in parts]
                found.append(whole(own or all_, [_chosen(i, answers, self.length) for i in own], value, of=size))
            return found

        sampled = [_sampled(i, answers) for i in items if i.groups["part"] == "sampled"]
        pair = ("statement", "negation")
        found: list[tuple[str, list[Value], Direction]] = [
            (WORDINGS, rated("wordings", "012", 3, _agreement), "higher is better"),
            (ONE, rated("negations", pair, 2, lambda a, b: float(a != b)), "higher is better"),
            (BOTH, rated("negations", pair, 2, lambda a, b: float(a == b == YES)), "higher is worse"),
            (LEANS, _leaning(items, answers), "higher is better"),
            (ORDER, rated("rings", ("ab", "ba"), 2, lambda a, b: float(a == b)), "higher is better"),
            # Three choices that all differ are each thing chosen once: a cycle.
            (CYCLE, rated("rings", ("ab", "bc", "ca"), 3, lambda *c: float(len(set(c)) < 3)), "higher is better"),
            (SUMS, _backward(items, answers, self.length), "higher is better"),
            (SAMPLES, sampled, "higher is better"),
        ]
        return [mean(name, values, direction=direction) for name, values, direction in found if values]


WORDINGS, ONE, BOTH, LEANS, ORDER, CYCLE, SUMS, SAMPLES = EXTREMES


def _item(cluster: str, part: str, asked: str, choices: tuple[str, ...]) -> Item:
    return Item(id=f"{cluster}/{part}", cluster=cluster, prompt=asking(asked), choices=choices, groups={"part": part})


def _chosen(item: Item, answers: Mapping[str, Answer], length: Length) -> str | None:
    """The text of the likeliest choice."""
    best = likeliest(item, answers, length)
    return None if best is None else item.choices[best]


def _agreement(*found: str) -> float:
    pairs = list(combinations(found, 2))
    return sum(a == b for a, b in pairs) / len(pairs)


def _leaning(items: Sequence[Item], answers: Mapping[str, Answer]) -> list[Value]:
    """Whether both ways of asking lean to the same of a statement and its negation, however often they say no."""
    found = []
    for own in clusters([i for i in items if i.cluster.startswith("negations/")]):
        margins = [None if (s := scores(i, answers, "sum")) is None else s[0] - s[1] for i in own]
        found.append(whole(own, margins, lambda a, b, c, d: float((a - b) * (c - d) > 0), of=4))
    return found


def _backward(items: Sequence[Item], answers: Mapping[str, Answer], length: Length) -> list[Value]:
    back = {i.cluster: i for i in items if i.groups["part"] == "backward"}
    found = []
    for item in (i for i in items if i.groups["part"] == "forward"):
        said = _chosen(back[item.cluster], answers, length) if item.cluster in back else None
        known = said is not None and _chosen(item, answers, length) is not None
        # The number sought stands second among the choices.
        found.append(Value(item, float(said == back[item.cluster].choices[1]) if known else None))
    return found


def _sampled(item: Item, answers: Mapping[str, Answer]) -> Value:
    found = replies(item, answers)
    named = [_named(reply.messages[-1].content, item.expect["options"]) for reply in found or ()]
    return Value(item, _agreement(*named) if len(named) > 1 else None)


def _named(reply: str, options: Sequence[str]) -> str:
    """The option that a reply names first; where it names none, its words."""
    place = picked(reply, [(o,) for o in options])
    return " ".join(text.words(reply)) if place is None else options[place]


def best(item: Item) -> Answer:
    """What a model would give that holds to one view, and can reckon."""
    part = item.groups["part"]
    if part == "sampled":
        return spoken(item, str(item.expect["options"][0]))
    return answered(
        item, [{"negation": 1, "negation again": 1, "forward": 1, "backward": 1, "ca": 1, "ba": 1}.get(part, 0)]
    )


def worst(item: Item) -> Answer:
    """What a model would give that chooses what is named first, affirms everything and forgets what it said."""
    part = item.groups["part"]
    if part == "sampled":
        return spoken(item, *map(str, item.expect["options"]))
    return answered(item, [int(part) if part.isdigit() else int(part == "statement again")])
