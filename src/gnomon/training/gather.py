"""One batch of judged rollouts: sample, judge, suspend what broke, and sample again where there is nothing to learn.

It computes no log-probabilities and no advantages (`credit`).
Source: dynamic sampling: DAPO 2503.14476, section 3.2.
Departs: DAPO samples until the batch is full; here at most `dynamic_sampling` rounds, and then with fewer groups.
Units: rewards as judged; counts and shares of rollouts.
Fails: nothing that can be learned from (unscored, all equal after the last round, all suspended) is a TrainingError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

from gnomon.core import seeds
from gnomon.core.errors import DataError, TrainingError
from gnomon.core.protocols import Model, Sampling
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel
from gnomon.training import rollouts, world
from gnomon.training.judged import Judge, Judged
from gnomon.training.norms import Latch, Multiplier
from gnomon.training.online_schedule import Online, choose
from gnomon.training.rollouts import Prompt, Rollout

Pair = tuple[Rollout, Judged]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the loop carries from one batch of rollouts to the next; it stands in the checkpoint."""

    batch: int = 0
    """Batches of rollouts so far."""
    cursor: int = 0
    """Prompts taken so far (`online_schedule.choose`)."""
    kl: float
    """Weight of the divergence in the reward."""
    multiplier: Multiplier
    latch: Latch = field(default_factory=Latch)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Scored rollouts, a prompt's side by side, with their judgements, and numbers to log."""

    pairs: Sequence[Pair]
    numbers: Mapping[str, float]


def gather(
    progress: Progress,
    *,
    subject: LocalModel,
    adapter: Adapter | None,
    prompts: Sequence[Prompt],
    judge: Judge,
    settings: Online,
    sampler: Model | None = None,
) -> tuple[Gathered, Progress]:
    """The next batch, and the progress after it."""
    kept: list[list[Pair]] = []
    every: list[Pair] = []
    groups = 0
    for attempt in range(1 + settings.dynamic_sampling):
        chosen, cursor = choose(
            len(prompts),
            settings.prompts - len(kept),
            cursor=progress.cursor,
            seed=settings.seed,
            suspended=_held(prompts, progress.latch),
        )
        drawn = rollouts.sample(
            subject,
            adapter,
            [prompts[index] for index in chosen],
            group=settings.group,
            first=groups,
            sampling=_sampling(settings, progress.batch, attempt),
            sampler=sampler,
        )
        pairs = world.lead(partial(_judged, judge, drawn))
        groups += len(chosen)
        every += pairs
        progress = replace(progress, cursor=cursor, latch=_tripped(progress.latch, pairs, settings))
        kept += [g for g in _groups(pairs) if not (settings.dynamic_sampling and all_equal(g, settings))]
        if len(kept) >= settings.prompts or not settings.dynamic_sampling:
            break
    if not kept:
        raise TrainingError(_nothing(every))
    numbers = _numbers(every, progress.latch, settings)
    flat = [pair for members in kept for pair in members]
    return Gathered(pairs=flat, numbers=numbers), replace(progress, batch=progress.batch + 1)


def all_equal(members: Sequence[Pair], settings: Online) -> bool:
    """Whether rollouts say nothing beside each other: what breaking earned does not count, unless it is priced."""
    priced = settings.norms == "lagrangian"
    counted = [j for _, j in members if priced or not j.breaches]
    return len({(j.reward, j.harm if priced else 0.0) for j in counted}) <= 1


def _judged(judge: Judge, drawn: Sequence[Rollout]) -> list[Pair]:
    said = judge([r.transcript for r in drawn])
    if len(said) != len(drawn):
        raise DataError(f"the judge gave {len(said)} judgements of {len(drawn)} rollouts; it must give one each")
    return list(zip(drawn, said, strict=True))


def _groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The scored rollouts of each prompt; a prompt without any has no group."""
    scored = [pair for pair in pairs if pair[1].reward is not None]
    return [list(members) for _, members in groupby(scored, key=lambda pair: pair[0].group)]


def _numbers(every: Sequence[Pair], latch: Latch, settings: Online) -> dict[str, float]:
    """Of all rollouts that were scored, those of dropped groups too."""
    groups = _groups(every)
    seen = [pair for members in groups for pair in members]
    return {
        "reward": sum(j.reward or 0.0 for _, j in seen) / len(seen),
        "length": sum(len(r.ids) for r, _ in seen) / len(seen),
        "cut": sum(r.cut for r, _ in seen) / len(seen),
        "broken": sum(bool(j.breaches) for _, j in seen) / len(seen),
        "equal_groups": sum(all_equal(members, settings) for members in groups) / len(groups),
        "sampled": float(len(every)),
        "unscored": float(len(every) - len(seen)),
        "suspended": float(len(latch.suspended)),
    }


def _sampling(settings: Online, batch: int, attempt: int) -> Sampling:
    return Sampling(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=seeds.stream(settings.seed, "rollouts", batch, attempt),
    )


def _held(prompts: Sequence[Prompt], latch: Latch) -> dict[int, str]:
    """Indices of suspended prompts. Raises TrainingError if no other is left."""
    held = {i: w for i, p in enumerate(prompts) if (w := latch.suspended.get(p.transcript.id)) is not None}
    if len(held) == len(prompts):
        raise TrainingError(
            f"all {len(prompts)} prompts are suspended, because a reply to each broke a norm "
            f"({', '.join(sorted(set(held.values())))}); look at the replies, then start again with `release` naming "
            "the prompts that may be sampled once more"
        )
    return held


def _tripped(latch: Latch, pairs: Sequence[Pair], settings: Online) -> Latch:
    """Unscored rollouts trip it too: whether a norm broke does not hang on the reward."""
    if settings.norms != "latch":
        return latch
    return latch.trip({r.prompt.transcript.id: ", ".join(j.breaches) for r, j in pairs if j.breaches})


def _nothing(every: Sequence[Pair]) -> str:
    rewards = [j.reward for _, j in every if j.reward is not None]
    if not rewards:
        reason = next((j.reason for _, j in every if j.reason), "the judge gave no reason")
        return f"none of {len(every)} rollouts could be scored ({reason}); look at the reward on one reply"
    return (
        f"the rollouts of each prompt all earned the same ({rewards[-1]:g} lately), {len(every)} rollouts long: there "
        "is nothing to learn; choose easier or harder prompts, a finer reward, a larger group or a higher temperature"
    )
