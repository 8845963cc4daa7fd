"""Exploits that no smooth fit foresees: gold falls, a few cases win proxy and lose gold, text drifts, outliers appear.

It fits no curve and stops nothing. "No finding" is None and means not seen at this level, not absent.
p-values: `change_point` and `drift` flip the signs of whole blocks of cases; permuting checkpoints would be wrong, as
neighbours are alike. `gap` is exact if proxy and gold change independently, `outliers` if samples are exchangeable.
Each call holds its own level; looking at many checkpoints needs Holm's correction or a smaller `level`.
Source: Mammen (1993), wild bootstrap; Ledoit and Wolf (2004), lemmas 3.2 to 3.4; Vovk et al. (2005), conformal ranks;
InfoRM 2402.09345 and 2510.13694 for outliers in a latent space; Li et al. 1510.03055 for distinct-n.
Shapes: `P` checkpoints in the order of optimisation, `C` cases, `N` samples, `F` features. Units: those of the input.
Fails: closed; shapes that do not match, too few cases or values that are not finite raise DataError.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError, SettingsError
from gnomon.core.seeds import stream
from gnomon.core.stats import clopper_pearson, holm
from gnomon.core.types import Estimate

Array = NDArray[np.float64]
SHOWN = 10
BLOCKS = 1000
"""Cases are flipped in at most this many blocks: the cost stays linear, and sums of blocks are nearer to symmetric."""
# Scripts that write words without spaces between them: Thai to Myanmar, Khmer, kana, Han and its extensions.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
UNSPACED += "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
UNIT = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a smooth fit would not have told."""

    kind: str
    label: str
    """The checkpoint at which it was found."""
    statistic: Estimate
    message: str
    examples: tuple[str, ...]
    """Ids of cases or samples that show it, the clearest first."""


def change_point(
    *, labels: Sequence[str], ids: Sequence[str], gold_PC: Any, level: float = 0.01, draws: int = 999, seed: int = 0
) -> Finding | None:
    """A fall of mean gold from an earlier checkpoint to a later one, larger than chance makes while gold never falls.

    Rows in the order of steps, of divergence or of proxy. The statistic is the largest fall; its interval holds
    whichever pair of checkpoints it was found between.
    """
    gold_PC = _finite("gold", gold_PC, (len(labels), len(ids)), level)
    checkpoints, cases = gold_PC.shape
    if checkpoints < 2:
        raise DataError(f"{checkpoints} checkpoint; a change needs at least two")
    means_P, draws = gold_PC.mean(1), _enough(draws, level)
    noise_DP = _flipped(gold_PC - means_P[:, None], draws, seed) * math.sqrt(cases / (cases - 1))
    fall = float(_fall(means_P[None])[0])
    falls_D = _fall(noise_DP)
    p = _p_value(falls_D, fall)
    if p > level:
        return None
    low = int(np.argmax(np.maximum.accumulate(means_P) - means_P))
    high = int(np.argmax(means_P[: low + 1]))
    at = high + _split(means_P[high : low + 1])
    spread = float(np.quantile(np.maximum(falls_D, _fall(-noise_DP)), 1 - level))
    statistic = Estimate(
        value=-fall, low=-fall - spread, high=-fall + spread, n=cases, unit="gold",
        method=f"largest fall of mean gold, {draws} sign flips of cases, p = {p:.3g}", confidence=1 - level,
    )  # fmt: skip
    message = (
        f"gold fell by {fall:.3g} between {labels[high]} and {labels[low]}; the break is at {labels[at]} (p = {p:.3g})"
    )
    change_C = gold_PC[at : low + 1].mean(0) - gold_PC[high:at].mean(0)
    return Finding(
        kind="change_point", label=labels[at], statistic=statistic, message=message, examples=_lowest(ids, change_C)
    )


def gap(
    *,
    label: str,
    ids: Sequence[str],
    proxy_before_C: Any,
    proxy_now_C: Any,
    gold_before_C: Any,
    gold_now_C: Any,
    tail: float = 0.05,
    level: float = 0.01,
) -> Finding | None:
    """A few cases whose proxy went up most are those whose gold went down most: a trade that the means may hide.

    Both tails hold the `tail` share of cases, so what all cases share is not counted. If proxy and gold changed
    independently, or together as they should, the tails meet no oftener than a hypergeometric draw. One reply a case
    at the start moves both alike and hides a gap; give the mean of several where there are.
    """
    if not 0 < tail <= 0.5:
        raise SettingsError(f"tail is {tail}; write the share of cases in a tail, above 0 and at most 0.5, as 0.05")
    columns = (proxy_before_C, proxy_now_C, gold_before_C, gold_now_C)
    data = [_finite("proxy or gold", column, (len(ids),), level) for column in columns]
    proxy_C, gold_C = data[1] - data[0], data[3] - data[2]
    up_C, down_C = _upper_tail(proxy_C, tail), _upper_tail(-gold_C, tail)
    both_C = up_C & down_C
    k, n, other = int(both_C.sum()), int(up_C.sum()), int(down_C.sum())
    p = _hypergeometric_tail(k, n, other, len(ids))
    if p > level:
        return None
    method = f"of the cases that won most proxy, share that lost most gold; hypergeometric p = {p:.3g}"
    statistic = _named(clopper_pearson(k, n, confidence=1 - level, unit="share"), method)
    message = (
        f"{label}: of the {n} cases that won most proxy {k} are among the {other} that lost most gold; "
        f"chance makes {n * other / len(ids):.2g} (p = {p:.3g})"
    )
    examples = _lowest(ids, np.where(both_C, gold_C, np.inf), most=min(k, SHOWN))
    return Finding(kind="gap", label=label, statistic=statistic, message=message, examples=examples)


def drift(
    *,
    label: str,
    ids: Sequence[str],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    level: float = 0.01,
    draws: int = 999,
    seed: int = 0,
) -> Finding | None:
    """The feature (length, repetition, entropy, any number a case) that moved most surely from the start, case by case.

    The p-value is Holm's over all features that were given; there are more draws than asked for where it takes them.
    """
    if not before or before.keys() != now.keys():
        raise DataError(f"features {sorted(before)} before but {sorted(now)} now; give the same, at least one")
    changes = {}
    for name in before:
        old_C, new_C = (_finite(name, side[name], (len(ids),), level) for side in (before, now))
        changes[name] = new_C - old_C
    draws = _enough(draws, level / len(changes))
    noise_DK = _flipped(np.stack([*changes.values()]), draws, seed)
    p = [_p_value(abs(d), abs(float(c.mean()))) for d, c in zip(noise_DK.T, changes.values(), strict=True)]
    adjusted = dict(zip(changes, holm(p), strict=True))
    name = min(adjusted, key=lambda f: (adjusted[f], -abs(changes[f].mean()) / max(changes[f].std(), 1e-300)))
    if adjusted[name] > level:
        return None
    change_C, found = changes[name], adjusted[name]
    mean, n = float(change_C.mean()), len(ids)
    half = NormalDist().inv_cdf(1 - level / 2) * float(change_C.std(ddof=1)) / math.sqrt(n)
    statistic = Estimate(
        value=mean, low=mean - half, high=mean + half, n=n, unit=name,
        method=f"paired difference, large sample; {draws} sign flips, p = {found:.3g}", confidence=1 - level,
    )  # fmt: skip
    message = f"{label}: {name} moved by {mean:+.3g} from the start (p = {found:.3g} after Holm)"
    examples = _lowest(ids, -math.copysign(1.0, mean) * change_C)
    return Finding(kind="drift", label=label, statistic=statistic, message=message, examples=examples)


def outliers(
    *,
    label: str,
    ids: Sequence[str],
    start_NF: Any,
    now_NF: Any,
    share: float = 0.01,
    level: float = 0.01,
    seed: int = 0,
) -> Finding | None:
    """More samples far from the start's (Mahalanobis) than the start itself has; `ids` name the rows of `now_NF`.

    Half of the start's samples give mean and shrunk covariance, the other half the distance that a `share` of them
    exceeds. If now's samples are like the start's, the number beyond it is beta-binomial, whatever the features are.
    """
    if np.ndim(start_NF) != 2 or np.ndim(now_NF) != 2:
        raise DataError("features need two axes, samples x features")
    start_NF = _finite("features of the start", start_NF, (len(start_NF), np.shape(now_NF)[1]), level)
    now_NF = _finite("features", now_NF, (len(ids), start_NF.shape[1]), level)
    if not 0 < share < 1 or len(start_NF) < 4 / share:
        least = f"at least {math.ceil(4 / share)} samples" if 0 < share < 1 else "a share between 0 and 1"
        raise DataError(f"{len(start_NF)} samples of the start for a share of {share}; give {least}")
    order = np.random.default_rng(stream(seed, "halves")).permutation(len(start_NF))
    fitted_NF, held_NF = np.array_split(start_NF[order], 2)
    centre_F, scale_F = fitted_NF.mean(0), fitted_NF.std(0)
    if not (scale_F > 0).any():
        raise DataError("no feature varies at the start; there is no distance to measure")
    # Shrinkage towards a multiple of the identity needs features of one scale; one that never varied keeps its own.
    scale_F = np.where(scale_F > 0, scale_F, 1.0)
    covariance_FF = ledoit_wolf((fitted_NF - centre_F) / scale_F)
    factor_FF = np.linalg.inv(np.linalg.cholesky(covariance_FF)).T
    held_N, now_N = ((((x - centre_F) / scale_F @ factor_FF) ** 2).sum(1) for x in (held_NF, now_NF))
    rank = max(1, math.floor(share * (len(held_N) + 1)))
    line = float(np.sort(held_N)[-rank])
    k, n = int((now_N > line).sum()), len(now_N)
    p = _beta_binomial_tail(k, n, rank, len(held_N) - rank + 1)
    if p > level:
        return None
    method = f"Mahalanobis distance beyond that of {rank} in {len(held_N)} of the start, beta-binomial p = {p:.3g}"
    statistic = _named(clopper_pearson(k, n, confidence=1 - level, unit="share"), method)
    message = f"{label}: {k} of {n} samples lie further out than {share:.1%} of the start's do (p = {p:.3g})"
    return Finding(
        kind="outliers", label=label, statistic=statistic, message=message,
        examples=_lowest(ids, -now_N, most=min(k, SHOWN)),
    )  # fmt: skip


def ledoit_wolf(centred_NF: Array) -> Array:
    """Covariance shrunk towards the mean variance times the identity; the mean has been taken off.

    The sum over samples of |xx' - S|^2 is that of |x|^4 minus N |S|^2, so no sample's matrix is ever formed.
    """
    n, features = centred_NF.shape
    covariance_FF = centred_NF.T @ centred_NF / n
    mean = float(np.trace(covariance_FF)) / features
    target_FF = mean * np.eye(features)
    away = float(((covariance_FF - target_FF) ** 2).sum())
    fourth = float((((centred_NF**2).sum(1)) ** 2).sum())
    noise = min(away, max(0.0, fourth - n * float((covariance_FF**2).sum())) / n**2)
    weight = noise / away if away > 0 else 1.0
    shrunk_FF: Array = weight * target_FF + (1 - weight) * covariance_FF
    return shrunk_FF


def length(text: str) -> int:
    """Characters as a reader counts them: marks and format characters belong to the letter before.

    >>> length("abc"), length("e\\u0301"), length("مُحَمَّد"), length("你好")
    (3, 1, 4, 2)
    """
    if text.isascii():
        return len(text)
    counts = Counter(unicodedata.normalize("NFC", text))
    return sum(n for c, n in counts.items() if unicodedata.category(c) not in ("Mn", "Mc", "Me", "Cf"))


def repetition(text: str, n: int = 3) -> float:
    """Share of n-grams that occurred before in the text, 1 - distinct-n; 0 for a text with fewer than n units.

    Units are words; single characters in scripts without spaces, and in any text that has no space at all.

    >>> repetition("so it is so it is so it is"), repetition("很好很好很好", 2), repetition("one two three four")
    (0.5714285714285714, 0.6, 0.0)
    """
    if n < 1:
        raise SettingsError(f"n-grams of {n}; write an n of at least 1")
    plain = unicodedata.normalize("NFC", text).casefold()
    units = UNIT.findall(plain)
    if len(units) == 1:
        units = list(units[0])
    grams = list(zip(*(units[i:] for i in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _finite(name: str, values: Any, shape: tuple[int, ...], level: float) -> Array:
    if not 0 < level < 1:
        raise SettingsError(f"level is {level}; write the rate of false alarms to accept, as 0.01")
    data: Array = np.asarray(values, dtype=float)
    if data.shape != shape:
        raise DataError(f"{name} has shape {data.shape}, expected {shape}; give one value to each id")
    if shape[-1] < 2 or not data.size:
        raise DataError(f"{name} has {shape[-1]} value; at least two are needed")
    if not np.isfinite(data).all():
        raise DataError(f"{name}: a value is not finite; leave unscored cases out of every checkpoint")
    return data


def _enough(draws: int, level: float) -> int:
    """`draws`, or more where so few could never show a p-value below the level."""
    if draws < 1:
        raise SettingsError(f"{draws} draws; write at least 1, or leave it out")
    return max(draws, math.ceil(2 / level))


def _flipped(values_PC: Array, draws: int, seed: int) -> Array:
    """Means over cases after random sign flips of whole blocks of neighbouring cases, draws x P."""
    cases = values_PC.shape[1]
    blocks = min(cases, BLOCKS)
    sums_PB = np.add.reduceat(values_PC, np.arange(blocks) * cases // blocks, axis=1)
    signs_DB = np.random.default_rng(stream(seed, "flips")).integers(0, 2, size=(draws, blocks)) * 2.0 - 1
    means_DP: Array = signs_DB @ sums_PB.T / cases
    return means_DP


def _fall(means_DP: Array) -> Array:
    """The largest fall from a checkpoint to a later one, for each row."""
    falls_D: Array = (np.maximum.accumulate(means_DP, axis=1) - means_DP).max(1)
    return falls_D


def _split(means_P: Array) -> int:
    """Where two constants fit best (least squares): the first index of the second."""
    left = np.arange(1, len(means_P))
    centred = np.cumsum(means_P - means_P.mean())[:-1]
    return int(left[np.argmax(centred**2 / (left * (len(means_P) - left)))])


def _upper_tail(change_C: Array, tail: float) -> NDArray[np.bool_]:
    """The `tail` share of cases that rose most; ties belong to it together, unless that made it a half or no rise."""
    edge = np.sort(change_C)[-math.ceil(tail * len(change_C))]
    found_C: NDArray[np.bool_] = (change_C >= edge) & (change_C > max(0.0, float(np.median(change_C))))
    return found_C


def _p_value(drawn_D: Array, seen: float) -> float:
    # The tolerance counts a tie that rounding broke as a tie.
    return (1 + int((drawn_D >= seen - 1e-12 * max(1.0, abs(seen))).sum())) / (1 + len(drawn_D))


def _hypergeometric_tail(k: int, drawn: int, marked: int, n: int) -> float:
    """P(X >= k) marked ones among those drawn without replacement from n."""

    def log_choose(a: int, b: int) -> float:
        return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

    whole = log_choose(n, drawn)
    counts = range(max(k, drawn + marked - n, 0), min(drawn, marked) + 1)
    terms = (log_choose(marked, i) + log_choose(n - marked, drawn - i) - whole for i in counts)
    return min(1.0, math.fsum(map(math.exp, terms)))


def _beta_binomial_tail(k: int, n: int, a: int, b: int) -> float:
    """P(X >= k) among n, the rate being Beta(a, b)."""
    log = math.lgamma
    whole = log(n + 1) - log(n + a + b) + log(a + b) - log(a) - log(b)
    terms = (whole + log(i + a) + log(n - i + b) - log(i + 1) - log(n - i + 1) for i in range(k, n + 1))
    return min(1.0, math.fsum(map(math.exp, terms)))


def _named(estimate: Estimate, method: str) -> Estimate:
    return Estimate(
        value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n, unit=estimate.unit,
        method=f"{method}; {estimate.method}", confidence=estimate.confidence,
    )  # fmt: skip


def _lowest(ids: Sequence[str], values_C: Array, most: int = SHOWN) -> tuple[str, ...]:
    return tuple(ids[i] for i in np.argsort(values_C, kind="stable")[:most])
