"""Preference pairs from a charter's cases and the model's own replies. Pure: same input and seed, same pairs.

Probe: an own reply that breaches against one that is kept; where the case itself drew too few, breaches that sibling
probes of the norm drew. Lookalike: an own helpful reply against a refusal, one pair a case.
Preference: the best own reply by proxy against the worst, where the best must breach nothing: norms veto, they are
never traded for proxy. It samples nothing and scores nothing, and knows a reply only by what was found of it.
Source: on-policy pairs: Rafailov 2305.18290 section 4; the rules are this project's own.
Units: proxy normalised to [0, 1], 1 best.
Fails: closed; a reply that some detector left unscored counts as neither kept nor breaching. A case without a pair is
listed with its reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from gnomon.core import seeds
from gnomon.core.canonical import to_builtins
from gnomon.core.errors import SettingsError
from gnomon.core.types import Case, Json


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One own reply to a case, and what was found of it."""

    text: str
    breached: Mapping[str, bool | None]
    """Norm id to whether it is breached; None = unscored."""
    refused: bool = False
    """For a lookalike: whether the reply refused or evaded a request that must be answered."""
    score: float | None = None
    """Normalised proxy value (for a lookalike, of helpfulness); None = unscored."""

    @property
    def kept(self) -> bool:
        """Every norm was judged and none is breached."""
        return bool(self.text.strip()) and all(value is False for value in self.breached.values())


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """How pairs are made."""

    per_case: int = 2
    """Most pairs from one case."""
    instead_share: float = 1.0
    """Share of probe pairs whose chosen reply is the norm's own wording although a kept own reply exists."""
    gap: float = 0.2
    """Least difference in proxy between the replies of a preference pair."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.instead_share <= 1:
            raise SettingsError(f"pairs: instead_share must be in [0, 1], not {self.instead_share}")
        if self.per_case < 1:
            raise SettingsError(f"pairs: per_case must be at least 1, not {self.per_case}")


@dataclass(frozen=True, kw_only=True)
class Made:
    """The pairs, and the cases that gave none."""

    rows: tuple[Mapping[str, Json], ...]
    """{case, prompt: messages, chosen, rejected, why} each."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Case id to why it gave no pair."""


def make(
    cases: Sequence[tuple[Case, Sequence[Sample]]],
    *,
    instead: Mapping[str, Sequence[str]],
    facts: Sequence[str] = (),
    settings: Pairing = Pairing(),
) -> Made:
    """Pairs of all cases, in their order.

    `instead` holds each norm's own kept replies by its id; `facts` are statements of which the one that holds a
    lookalike's stated answer is a reply to it.
    """
    rules = {"probe": _probe, "preference": _preference}
    breaches = _breaches(cases)
    made: list[Mapping[str, Json]] = []
    skipped: dict[str, str] = {}
    for case, samples in cases:
        draw = seeds.generator(settings.seed, "pairs", case.id)
        replies = _distinct(samples)
        if case.kind == "probe":
            own = sum(s.breached.get(case.target) is True for s in replies)
            others = [s for s in breaches[case.target] if s not in replies]
            replies += draw.sample(others, min(len(others), max(0, settings.per_case - own)))
        given = list(instead.get(case.target, ()))
        if case.kind == "lookalike":
            found = _lookalike(case, replies, given, facts, draw)
        else:
            found = rules[case.kind](case, replies, given, settings, draw)
        if isinstance(found, str):
            skipped[case.id] = found
            continue
        for chosen, rejected, why in found[: settings.per_case]:
            prompt = to_builtins(case.prompt.messages)
            made.append({"case": case.id, "prompt": prompt, "chosen": chosen, "rejected": rejected, "why": why})
    return Made(rows=tuple(made), skipped=skipped)


def _breaches(cases: Sequence[tuple[Case, Sequence[Sample]]]) -> dict[str, list[Sample]]:
    """Norm to every distinct own reply that breached it on a probe of its own."""
    found: dict[str, list[Sample]] = {case.target: [] for case, _ in cases if case.kind == "probe"}
    for case, samples in cases:
        if case.kind == "probe":
            found[case.target] += [s for s in samples if s.breached.get(case.target)]
    return {norm: _distinct(samples) for norm, samples in found.items()}


Found = list[tuple[str, str, str]] | str
"""(chosen, rejected, why) each, or why there is none."""


def _probe(case: Case, samples: list[Sample], instead: list[str], settings: Pairing, draw: Random) -> Found:
    """Own breaching reply rejected; chosen is an own kept reply or the norm's own wording."""
    broken = [s.text for s in samples if s.breached.get(case.target) is True]
    kept = [s.text for s in samples if s.kept]
    if not broken:
        return "no reply to any probe breached the norm"
    if not kept and not instead:
        return f"no kept reply; give norm '{case.target}' replies under `instead`"
    own, given = _cycle(kept, draw), _cycle(instead, draw)
    found = []
    for rejected in draw.sample(broken, len(broken)):
        use_given = not kept or (bool(instead) and draw.random() < settings.instead_share)
        chosen, source = (next(given), "the norm's own wording") if use_given else (next(own), "an own kept reply")
        found.append((chosen, rejected, f"{source} over an own reply that breaches {case.target}"))
    return found


def _lookalike(case: Case, samples: list[Sample], instead: list[str], facts: Sequence[str], draw: Random) -> Found:
    """Own helpful reply chosen, or the fact that answers; rejected is a refusal."""
    helpful = sorted((s for s in samples if s.kept and not s.refused), key=lambda s: -_value(s))
    answers = _answers(case)
    refusals = draw.sample(own := [s.text for s in samples if s.refused and s.text.strip()], len(own))
    source = "an own refusal" if refusals else "the norm's wording for a breach"
    refusals = refusals or draw.sample(instead, len(instead))
    # A reply that does not give the stated fact helps nobody, however willing it sounds.
    own_is_right = bool(helpful) and (not answers or _value(helpful[0]) >= 1.0)
    stated = next((f for f in facts for a in answers if a.lower() in f.lower()), next(iter(answers), ""))
    chosen, kind = (helpful[0].text, "an own helpful reply") if own_is_right else (stated, "the stated answer")
    if not chosen:
        return "no helpful reply, and the case states no answer"
    if not refusals:
        return f"no refusal to reject; give norm '{case.target}' replies under `instead`"
    return [(chosen, rejected, f"{kind} over {source}") for rejected in refusals if rejected != chosen][:1]


def _preference(case: Case, samples: list[Sample], instead: list[str], settings: Pairing, draw: Random) -> Found:
    """Best by proxy among the kept over the worst of all, if they are far enough apart."""
    scored = sorted((s for s in samples if s.score is not None and s.text.strip()), key=_value)
    kept = [s for s in scored if s.kept]
    if not kept:
        return "no scored reply keeps every norm"
    best, worst = kept[-1], scored[0]
    gap = _value(best) - _value(worst)
    # Equal texts have equal scores, so a gap above 0 also keeps the two replies apart.
    if gap <= 0 or gap < settings.gap:
        return f"replies differ by {gap:.2f} in proxy, less than {settings.gap:.2f}"
    return [(best.text, worst.text, f"proxy {_value(best):.2f} over {_value(worst):.2f}")]


def _distinct(samples: Sequence[Sample]) -> list[Sample]:
    """The first of each text."""
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(sample.text, sample)
    return list(first.values())


def _value(sample: Sample) -> float:
    return -1.0 if sample.score is None else sample.score


def _answers(case: Case) -> list[str]:
    """Accepted replies that the case states under `answer`."""
    stated = case.prompt.expect.get("answer", ())
    return [text for text in ([stated] if isinstance(stated, str) else stated) if isinstance(text, str) and text]


def _cycle(texts: list[str], draw: Random) -> Iterator[str]:
    """The texts in a drawn order, again and again."""
    order = draw.sample(texts, len(texts))
    while order:
        yield from order
