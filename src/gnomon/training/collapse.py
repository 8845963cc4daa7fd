"""Is this run still learning? Finds NaN, divergence and collapse in a log; says what was seen, why, what to change.

Each symptom compares the newest rows with the run's first ones; a number that a loop does not log is not looked at.
It stops runs (TrainingError); it repairs nothing and changes no setting.
Source: entropy collapse: DAPO 2503.14476, section 3.1; divergence under stale rollouts: VESPO 2602.10693.
The thresholds are ours, coarse on purpose, and all can be set.
Units: entropy in nats a token, `kl` in nats a reply, lengths in tokens.
Fails: closed; a threshold that is not reached in `window` + `recent` rows cannot be reached at all yet.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from gnomon.core.errors import SettingsError, TrainingError
from gnomon.core.types import Json
from gnomon.training.checkpoint import Checkpoint

Row = Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Thresholds; `off` names the symptoms that are not looked for."""

    window: int = 10
    """Rows at the start of a run that later ones are compared with."""
    recent: int = 5
    """Newest rows whose mean must be over the threshold."""
    loss: float = 10.0
    """A loss this many times its first value (or 1, if that is more) has diverged; offline only."""
    gradient: float = 100.0
    """All recent gradients longer than this many times the median of the rows before."""
    entropy_low: float = 0.05
    """Share of the start's entropy, when that was above 0.1 nats a token."""
    entropy_high: float = 3.0
    """Times the start's entropy, and at least a nat a token more."""
    length_low: float = 0.1
    """Share of the start's length, when that was at least 10 tokens."""
    cut: float = 0.98
    """Share of replies that reach the limit, when it was below half of this at the start."""
    kl: float = 2.0
    """Nats a token between policy and reference, in all recent rows."""
    flat: int = 10
    """Rows in succession in which no prompt's rollouts differ in reward, or in which they do and nothing is learned."""
    off: tuple[str, ...] = ()
    """Any of: loss, gradient, entropy, length, kl, flat."""

    def __post_init__(self) -> None:
        if wrong := set(self.off) - {"loss", "gradient", "entropy", "length", "kl", "flat"}:
            raise SettingsError(
                f"limits: no symptom '{sorted(wrong)[0]}'; there are: loss, gradient, entropy, length, kl, flat"
            )
        if min(self.window, self.recent, self.flat) < 1:
            raise SettingsError("limits: window, recent and flat must be at least 1")


@dataclass(frozen=True)
class _Symptom:
    name: str
    seen: str
    cause: str
    change: str


def check(
    row: Row, log: Sequence[Row], *, limits: Limits, learning_rate: float, checkpoints: Sequence[Checkpoint]
) -> None:
    """Raise TrainingError if the newest row, behind the log before it, shows a collapse."""
    for name, value in row.items():
        if isinstance(value, int | float) and not math.isfinite(value):
            cause = "a step that was too long, or a broken example"
            _stop(row, f"{name} is {value}", cause, _RATE, learning_rate, checkpoints)
    rows = [*log, row]
    onset = int(rows[max(0, len(rows) - limits.recent)]["step"])
    for symptom in _symptoms(rows, limits):
        if symptom.name not in limits.off:
            before = [c for c in checkpoints if c.step < onset] or list(checkpoints[:1])
            _stop(row, symptom.seen, symptom.cause, symptom.change, learning_rate, before)


_RATE = "lower learning_rate (now {rate:g}), raise warmup, or look for broken examples"


def _stop(row: Row, seen: str, cause: str, change: str, rate: float, good: Sequence[Checkpoint]) -> None:
    where = f"the last good checkpoint is {good[-1].folder}" if good else "there is no checkpoint yet"
    raise TrainingError(f"step {row['step']}: {seen}. Likely cause: {cause}. {change.format(rate=rate)}; {where}")


def _symptoms(rows: Sequence[Row], limits: Limits) -> list[_Symptom]:
    found = [rule(rows, limits) for rule in (_loss, _gradient, _numb, _entropy, _length, _kl, _flat)]
    return [symptom for symptom in found if symptom is not None]


def _means(rows: Sequence[Row], name: str, limits: Limits) -> tuple[float, float] | None:
    """Mean of the first `window` rows and of the `recent` newest; None while they would overlap."""
    if name not in rows[-1] or name not in rows[0] or len(rows) < limits.window + limits.recent:
        return None
    return fmean(r[name] for r in rows[: limits.window]), fmean(r[name] for r in rows[-limits.recent :])


def _loss(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    first, now = rows[0]["loss"], rows[-1]["loss"]
    # A loss of rollouts hovers around 0 and says nothing of progress: there `reward` is logged instead.
    if "reward" in rows[-1] or now <= limits.loss * max(abs(first), 1.0):
        return None
    return _Symptom("loss", f"the loss has grown from {first:.3g} to {now:.3g}", "steps that are too long", _RATE)


def _gradient(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    before = rows[-limits.window - limits.recent : -limits.recent]
    if len(before) < limits.window or "gradient_norm" not in rows[-1]:
        return None
    usual = median(r["gradient_norm"] for r in before)
    least = min(r["gradient_norm"] for r in rows[-limits.recent :])
    if usual <= 0 or least <= limits.gradient * usual:
        return None
    seen = f"the last {limits.recent} gradients are longer than {least:.3g}, where {usual:.3g} was usual"
    return _Symptom("gradient", seen, "divergence: every step undoes the one before", _RATE)


def _numb(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    """Mini-batches whose prompts' rollouts all earned the same have no gradient either, nor has a loss that is gone."""
    felt = [r["gradient_norm"] for r in rows[: limits.window] if r["gradient_norm"] > 0]
    least, count, differences = 1e-6 * median(felt or [0.0]), 0, 0.0
    for row in reversed(rows):
        if row["gradient_norm"] > least:
            break
        count, differences = count + 1, differences + 1 - row.get("equal_groups", float(abs(row["loss"]) < 0.01))
    if differences < limits.flat:
        return None
    seen = f"the last {count} gradients are 0, though there is something to learn"
    cause = "weights so large, or ratios so far from 1, that no change of them is felt"
    return _Symptom("gradient", seen, cause, _RATE)


def _entropy(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    means = _means(rows, "entropy", limits)
    if means is None:
        return None
    start, now = means
    seen = f"the policy's entropy went from {start:.3g} to {now:.3g} nats a token"
    if start > 0.1 and now < limits.entropy_low * start:
        cause = "the policy says one thing only: it can find nothing better any more"
        return _Symptom("entropy", seen, cause, "Raise kl or the upper clip, lower learning_rate (now {rate:g})")
    if now > max(limits.entropy_high * start, start + 1.0):
        cause = (
            "noise: most of what is reinforced is not what earned the reward, or replies are pushed down without end"
        )
        return _Symptom("entropy", seen, cause, "Raise kl, lower staleness or learning_rate (now {rate:g})")
    return None


def _length(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    lengths, cuts = _means(rows, "length", limits), _means(rows, "cut", limits)
    if lengths is not None and lengths[0] >= 10 and lengths[1] < limits.length_low * lengths[0]:
        seen = f"replies went from {lengths[0]:.3g} to {lengths[1]:.3g} tokens"
        return _Symptom("length", seen, "the reward pays short or empty replies", "Reward the content, or raise kl")
    if cuts is not None and cuts[0] < limits.cut / 2 and cuts[1] >= limits.cut:
        seen = f"replies that reach the limit went from {cuts[0]:.0%} to {cuts[1]:.0%}"
        change = "Set overlong, raise kl or max_new_tokens, or use a loss that does not pay length (dr_grpo)"
        return _Symptom("length", seen, "the reward, or the loss's averaging, pays long replies", change)
    return None


def _kl(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    newest = rows[-limits.recent :]
    if len(newest) < limits.recent or not all("kl" in r and "length" in r for r in newest):
        return None
    now = min(r["kl"] / max(1.0, r["length"]) for r in newest)
    if now <= limits.kl:
        return None
    seen = f"policy and reference are more than {now:.3g} nats a token apart"
    return _Symptom("kl", seen, "the reward outweighs what holds the policy", "Raise kl, or set kl_target")


def _flat(rows: Sequence[Row], limits: Limits) -> _Symptom | None:
    newest = rows[-limits.flat :]
    if len(newest) < limits.flat or not all(r.get("equal_groups") == 1.0 for r in newest):
        return None
    seen = f"for {limits.flat} steps all rollouts of each prompt have earned the same (lately {rows[-1]['reward']:g})"
    cause = "a reward that this policy always or never earns: there is nothing to learn from"
    change = "Choose easier or harder prompts, a finer reward, a larger group or temperature, or set dynamic_sampling"
    return _Symptom("flat", seen, cause, change)
