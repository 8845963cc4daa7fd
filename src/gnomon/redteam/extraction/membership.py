"""Membership inference: was this text in a model's training data? Scores that are higher for texts that were.

`loss`: mean log-probability of a token; `zlib`: the same against the compressed text's bytes; `min-k`: over the least
likely fifth of the tokens; `min-k++`: of each token's distance to what the model expected there, in its standard
deviations; `neighbours`: loss against that of the text with words left out; `reference`: against that of a model that
has not seen it; `lira`: the same in standard deviations over several. All but the last two tell topics apart as well.
Source: loss: Yeom et al. 1709.01604; zlib: Carlini et al. 2012.07805; min-k: Shi et al. 2310.16789; min-k++: Zhang et
al. 2404.02936, equation 3; neighbours: Mattern et al. 2305.18462; lira, offline: Carlini et al. 2112.03570, section VI.
Departs: neighbours lose words, where the paper has a masked model write others in. Units: nats a token, but min-k++.
Fails: a text that does not fit is cut; one without a token is refused.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnomon.core.errors import DataError
from gnomon.core.seeds import generator
from gnomon.core.statistics.roc import Hits, auroc, hits
from gnomon.core.types import Estimate, Transcript

if TYPE_CHECKING:
    from gnomon.models.local import LocalModel

Array = NDArray[np.float64]
SHARE = 0.2
"""Of the tokens that min-k reads."""
LEFT_OUT = 0.15
"""Of a neighbour's words."""
ALARMS = (0.01, 0.001)
"""Rates of false alarms at which hits are counted."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text whose membership is in question: by itself, or as the reply to a conversation."""

    id: str
    text: str
    prompt: Transcript | None = None
    cluster: str = ""
    """Texts of one document share it; empty: its own."""


@dataclass(frozen=True)
class Tokens:
    """What a model says of each of a text's tokens: log-probability, and that of all words there, mean and spread."""

    logp_T: Array
    mean_T: Array
    spread_T: Array


@dataclass(frozen=True, kw_only=True)
class Told:
    """How well one score tells members apart."""

    score: str
    area: Estimate
    hits: tuple[Hits, ...]


def read(model: "LocalModel", texts: Sequence[Text], *, longest: int = 512, row_predicted: int = 256) -> list[Tokens]:
    """What the model says of every token of every text, up to `longest` tokens each."""
    import torch

    from gnomon.models import logprobs
    from gnomon.models.packing import pack

    pairs = [_encoded(model, text, longest) for text in texts]
    found: list[Tokens | None] = [None] * len(pairs)
    for row in _rows(pairs, row_predicted):
        packed = pack([pairs[i][0] for i in row], [pairs[i][1] for i in row])
        with torch.no_grad():
            three = logprobs.token_moments(model.model, packed)
        ends = np.cumsum([len(pairs[i][1]) for i in row])[:-1]
        parts = [np.split(t.double().cpu().numpy(), ends) for t in three]
        for i, logp_T, mean_T, spread_T in zip(row, *parts, strict=True):
            found[i] = Tokens(logp_T, mean_T, spread_T)
    return [tokens for tokens in found if tokens is not None]


def losses(model: "LocalModel", texts: Sequence[Text], *, longest: int = 512) -> list[float]:
    """Mean log-probability of a token of each text: all that neighbours and other models are read for."""
    import torch

    from gnomon.models import logprobs
    from gnomon.models.packing import pack

    pairs = [_encoded(model, text, longest) for text in texts]
    found = [0.0] * len(pairs)
    for row in _rows(pairs, 512):
        packed = pack([pairs[i][0] for i in row], [pairs[i][1] for i in row])
        with torch.no_grad():
            total_B = logprobs.sequence_logp(model.model, packed).double().tolist()
        for i, total in zip(row, total_B, strict=True):
            found[i] = total / len(pairs[i][1])
    return found


def scores(texts: Sequence[Text], tokens: Sequence[Tokens]) -> dict[str, list[float]]:
    """The scores that need one model and the texts alone."""
    loss = [float(t.logp_T.mean()) for t in tokens]
    packed = [len(zlib.compress(t.text.encode())) for t in texts]
    return {
        "loss": loss,
        "zlib": [float(t.logp_T.sum()) / size for t, size in zip(tokens, packed, strict=True)],
        "min-k": [_least(t.logp_T) for t in tokens],
        "min-k++": [_least((t.logp_T - t.mean_T) / np.maximum(t.spread_T, 1e-6)) for t in tokens],
    }


def against(loss: Sequence[float], others: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """Scores against models that have not seen the texts: `reference` with one, `lira` too with several."""
    if not others:
        return {}
    outside_RN = np.array(others)
    gap_N = np.array(loss) - outside_RN.mean(0)
    found = {"reference": gap_N.tolist()}
    if len(others) > 1:
        # With so few models the spread of one text is not known well: half of it is all texts' own.
        own_N = outside_RN.var(0, ddof=1)
        found["lira"] = (gap_N / np.sqrt((own_N + own_N.mean()) / 2 + 1e-12)).tolist()
    return found


def neighbours(text: Text, count: int, *, seed: int = 0) -> list[Text]:
    """The text with some words left out, in as many ways."""
    words = text.text.split(" ")
    drop = max(1, round(LEFT_OUT * len(words)))
    found = []
    for number in range(count):
        gone = set(generator(seed, "neighbour", text.id, number).sample(range(len(words)), min(drop, len(words) - 1)))
        kept = " ".join(w for i, w in enumerate(words) if i not in gone)
        found.append(Text(id=f"{text.id}/{number}", text=kept, prompt=text.prompt, cluster=text.cluster))
    return found


def beside(loss: Sequence[float], near: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """The loss against the mean of each text's neighbours."""
    return {"neighbours": [own - float(np.mean(n)) for own, n in zip(loss, near, strict=True)]}


def told(
    members: Mapping[str, Sequence[float]],
    others: Mapping[str, Sequence[float]],
    *,
    member_clusters: Sequence[str] | None = None,
    other_clusters: Sequence[str] | None = None,
) -> list[Told]:
    """For every score that both groups have, how well it tells them apart."""
    found = []
    for name in members:
        if name in others:
            one, two = members[name], others[name]
            area = auroc(one, two, first_clusters=member_clusters, second_clusters=other_clusters)
            at = tuple(hits(one, two, at=a, first_clusters=member_clusters) for a in ALARMS)
            found.append(Told(score=name, area=area, hits=at))
    return found


def _least(values_T: Array) -> float:
    count = max(1, math.floor(SHARE * len(values_T)))
    return float(np.sort(values_T)[:count].mean())


def _encoded(model: "LocalModel", text: Text, longest: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    from gnomon.models import continuations

    if text.prompt is None:
        (group,) = continuations.encode(model, [("", [text.text])])
        before, own = group.contexts[0], group.continuations[0]
    else:
        before = tuple(model.encode(text.prompt))
        own = tuple(model.tokenizer.encode(text.text, add_special_tokens=False))
    room = min(longest, model.context - len(before))
    if not own or room < 1:
        raise DataError(f"text {text.id}: no token of it can be scored; leave it out, or shorten what stands before it")
    return before, own[:room]


def _rows(pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], predicted: int) -> list[list[int]]:
    """Texts that are scored together: alike ones next to each other, so that what they share is computed once."""
    rows: list[list[int]] = []
    size = 0
    for i in sorted(range(len(pairs)), key=lambda i: pairs[i]):
        if not rows or size + len(pairs[i][1]) > predicted:
            rows.append([])
            size = 0
        rows[-1].append(i)
        size += len(pairs[i][1])
    return rows
