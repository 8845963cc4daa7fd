"""Rules for the guard from prompts that broke a norm: the words that several of them share, and no benign case has.

Words are taken of the wrapping alone: a run that holds a word of the goal itself is none of it, so that what is asked
about stays askable. Rules are those of the screen `patterns`, on what users say. It measures nothing: whoever adds
rules counts what they stop.
Source: greedy cover by shared word n-grams, our own; Chvátal 1979 for the cover.
Departs: between the words any signs may stand, so that a comma does not get past; another word does.
Units: words. Fails: open; prompts that share nothing give no rule.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gnomon.charter.policy import Policy
from gnomon.core.canonical import digest
from gnomon.core.types import Json, Transcript

LONGEST, SHORTEST = 10, 3
MOST = 16
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One prompt that broke a norm."""

    id: str
    norm: str
    goal: str
    prompt: Transcript
    own: frozenset[str]
    """The goal's own words, in small letters: no rule may hold one."""
    asked: str = ""
    """The goal's request as it stands: no run of it makes a rule, not of small words either."""


@dataclass(frozen=True, kw_only=True)
class FoundRule:
    """A rule of the screen `patterns`, and what it rests on."""

    id: str
    pattern: str
    norm: str
    words: str
    """What it looks for, in plain words."""
    findings: tuple[str, ...]
    """Ids of the prompts that hold it."""
    goals: int
    """Different goals among them."""

    @property
    def rule(self) -> dict[str, Json]:
        """As the screen `patterns` reads it."""
        return {"id": self.id, "pattern": self.pattern, "norm": self.norm, "roles": ["user"], "on_hit": "deny"}


def found_rules(
    broken: Sequence[Broken], benign: Collection[Transcript], *, least: int = 2, most: int = MOST
) -> tuple[FoundRule, ...]:
    """Rules that together hold as many of the prompts as can be, the widest first.

    `least`: different goals whose prompts must share the words. `benign`: conversations that no rule may stop.
    """
    grams = {b.id: _grams(_last(b.prompt), b.own) for b in broken}
    holders: dict[tuple[str, ...], list[Broken]] = {}
    for one in broken:
        for gram in grams[one.id]:
            holders.setdefault(gram, []).append(one)
    plain = [*map(_last, benign), *dict.fromkeys(b.asked for b in broken)]
    free = {gram for text in plain for gram in _runs(_words(text))}
    shared = {g: own for g, own in holders.items() if len({b.goal for b in own}) >= least and g not in free}
    rules: list[FoundRule] = []
    covered: set[str] = set()
    while shared and len(rules) < most:
        best = max(shared, key=lambda g: (len({b.id for b in shared[g]} - covered), len(g), g))
        if not {b.id for b in shared[best]} - covered:
            break
        rules.append(_rule(best, shared.pop(best)))
        covered.update(rules[-1].findings)
    return tuple(rules)


def with_rules(policy: Policy, rules: Sequence[FoundRule]) -> Policy:
    """The policy with these rules beside its own; one that it has already is not added again."""
    if not rules:
        return policy
    settings: Mapping[str, Json] = policy.screens.get("patterns", {})
    known = list(settings.get("rules", ()))
    added = [r.rule for r in rules if r.id not in {k["id"] for k in known}]
    return replace(policy, screens={**policy.screens, "patterns": {**settings, "rules": [*known, *added]}})


def _rule(gram: tuple[str, ...], holders: Sequence[Broken]) -> FoundRule:
    norms = [b.norm for b in holders]
    pattern = r"(?i)\b" + r"[^\pL\pN]+".join(gram) + r"\b"
    return FoundRule(
        id=f"found-{digest(pattern)[:8]}",
        pattern=pattern,
        norm=max(sorted(set(norms)), key=norms.count),
        words=" ".join(gram),
        findings=tuple(sorted({b.id for b in holders})),
        goals=len({b.goal for b in holders}),
    )


def _last(prompt: Transcript) -> str:
    """What the guard's screen reads: the last message."""
    return prompt.messages[-1].content if prompt.messages else ""


def _words(text: str) -> list[str]:
    return [w.lower() for w in _WORD.findall(text)]


def _grams(text: str, own: frozenset[str]) -> set[tuple[str, ...]]:
    """Runs of plain words between the goal's own words."""
    pieces: list[list[str]] = [[]]
    for word in _words(text):
        if word in own or not word.isascii():
            pieces.append([])
        else:
            pieces[-1].append(word)
    return {gram for piece in pieces for gram in _runs(piece)}


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + size]) for size in range(SHORTEST, LONGEST + 1) for i in range(len(words) - size + 1)}
