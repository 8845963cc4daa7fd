"""AgentPoison: words that move every request they are added to into a corner of the embedding space of their own.

There lie the poisoned records, whose requests hold the same words, and no benign ones. A trigger is improved by one
word at a time, drawn from those that the embedder's gradient favours (white box), or at random where there is none.
Source: Chen et al., AgentPoison (arXiv 2407.12784) section 3: uniqueness, compactness and coherence losses.
Departs: k-means for the mixture of the benign requests, greedy instead of beam search, coherence as a weighted loss,
and no loss of the target's action, which would need its weights.
Shapes: `Q` requests, `L` words of the trigger, `W` words to choose from, `D` columns.
Units: losses are distances of unit rows; coherence is nats a token. Fails: closed; a word that is no token of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnomon.core.errors import DataError, SettingsError
from gnomon.core.seeds import stream
from gnomon.redteam.memory.store import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from gnomon.models.local import LocalModel
    from gnomon.models.minilm import MiniLM
    from gnomon.redteam.memory.store import Rows

START = "please answer with care and keep things short today"
Coherence = Callable[[Sequence[str]], list[float]]
"""Texts of triggers to nats a token: the lower, the more like speech."""
Steer = Callable[[Sequence[str], Sequence[str], "Rows"], "NDArray[np.floating]"]
"""(requests, trigger's words, centres) to the loss's first-order change for each exchange, `L` x `W`."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How a trigger is looked for."""

    start: str = START
    """The trigger before the first step; it keeps this number of words."""
    steps: int = 40
    """Rounds of candidates."""
    candidates: int = 24
    """Exchanges of a word tried in a round."""
    top: int = 128
    """Words at each place from which they are drawn, those that the gradient favours most."""
    centres: int = 5
    """Clusters of the benign requests, from which the trigger has to lead away."""
    unique: float = 1.0
    """Weight of the distance from them."""
    compact: float = 1.0
    """Weight of the distance of triggered requests from one another."""
    coherent: float = 0.02
    """Weight of a nat a token; 0: the trigger may be gibberish."""

    def __post_init__(self) -> None:
        if min(self.steps, self.candidates - 1, self.top - 1, self.centres - 1) < 0 or not self.start.split():
            raise SettingsError("write steps from 0, candidates, top and centres from 1, and at least a word of start")


@dataclass(frozen=True)
class Trigger:
    """Words, and what they cost."""

    text: str
    loss: float
    unique: float
    """Mean distance from the benign centres."""
    compact: float
    """Mean distance of triggered requests from their own centre."""
    coherence: float
    """Nats a token; 0 where nothing measured it."""
    losses: tuple[float, ...] = ()
    """After each round."""


def triggered(query: str, trigger: str) -> str:
    """A request with the trigger."""
    return f"{query} {trigger}"


def optimise(
    *,
    embed: Embedder,
    queries: Sequence[str],
    benign: "Rows",
    words: Sequence[str],
    search: Search,
    seed: int,
    steer: Steer | None = None,
    coherence: Coherence | None = None,
) -> Trigger:
    """The best trigger of a search over `words`, for these requests against the rows of benign ones."""
    import numpy as np

    if not queries or not len(benign) or not words:
        raise DataError("a trigger needs requests, benign rows and words to choose from; give at least one of each")
    draw = np.random.default_rng(stream(seed, "trigger"))
    centres = clusters(benign, search.centres, seed=seed)
    now = measured([search.start], embed, queries, centres, search, coherence)[0]
    losses = []
    for _ in range(search.steps):
        parts = now.text.split()
        change_LW = None if steer is None else steer(queries, parts, centres)
        texts = _exchanged(parts, words, change_LW, search, draw)
        best = min(measured(texts, embed, queries, centres, search, coherence), key=lambda t: t.loss)
        now = min(now, best, key=lambda t: t.loss)
        losses.append(now.loss)
    return Trigger(now.text, now.loss, now.unique, now.compact, now.coherence, tuple(losses))


def measured(
    texts: Sequence[str],
    embed: Embedder,
    queries: Sequence[str],
    centres: "Rows",
    search: Search,
    coherence: Coherence | None = None,
) -> list[Trigger]:
    """What each of these triggers costs."""
    import numpy as np

    rows = embed([triggered(q, t) for t in texts for q in queries]).reshape(len(texts), len(queries), -1)
    speech = coherence(texts) if coherence and search.coherent else [0.0] * len(texts)
    found = []
    for text, row_QD, nats in zip(texts, rows, speech, strict=True):
        unique = float(np.linalg.norm(row_QD[:, None] - centres[None], axis=-1).mean())
        compact = float(np.linalg.norm(row_QD - row_QD.mean(0), axis=-1).mean())
        loss = -search.unique * unique + search.compact * compact + search.coherent * nats
        found.append(Trigger(text, loss, unique, compact, nats))
    return found


def clusters(rows: "Rows", count: int, *, seed: int, rounds: int = 20) -> "Rows":
    """Centres of the rows by k-means, at most as many as there are rows."""
    import numpy as np

    draw = np.random.default_rng(stream(seed, "clusters"))
    centres = rows[draw.choice(len(rows), size=min(count, len(rows)), replace=False)]
    for _ in range(rounds):
        near = (rows @ centres.T - (centres**2).sum(1) / 2).argmax(1)
        centres = np.stack([rows[near == i].mean(0) if (near == i).any() else c for i, c in enumerate(centres)])
    return centres


def _exchanged(
    parts: Sequence[str],
    words: Sequence[str],
    change_LW: "NDArray[np.floating] | None",
    search: Search,
    draw: "np.random.Generator",
) -> list[str]:
    """Triggers with one word exchanged."""
    import numpy as np

    at = draw.integers(len(parts), size=search.candidates)
    if change_LW is None:
        which = draw.integers(len(words), size=search.candidates)
    else:
        best_LK = np.argsort(change_LW, axis=1)[:, : search.top]
        which = best_LK[at, draw.integers(best_LK.shape[1], size=search.candidates)]
    pairs = zip(at, which, strict=True)
    return list(dict.fromkeys(" ".join([*parts[:a], words[w], *parts[a + 1 :]]) for a, w in pairs))


def vocabulary(minilm: "MiniLM") -> list[str]:
    """The embedder's words that are a token each: small letters, three or more."""
    known = minilm.tokenizer.get_vocab()
    return sorted(word for word in known if word.isascii() and word.isalpha() and word.islower() and len(word) > 2)


def gradient(minilm: "MiniLM", words: Sequence[str], search: Search) -> Steer:
    """The first-order change of uniqueness and compactness losses for every exchange of a word.

    Linear behind the layer that normalises embeddings: there words are as long as each other, and it foretells more.
    """
    import torch

    layer = minilm.model.embeddings
    ids = torch.tensor(minilm.tokenizer.convert_tokens_to_ids(list(words)))
    # In the layer every word also gets its place's row and that of the first kind of sentence.
    table_WD = layer.word_embeddings.weight.detach()[ids] + layer.token_type_embeddings.weight.detach()[0]

    def steer(queries: Sequence[str], parts: Sequence[str], centres: "Rows") -> "NDArray[np.floating]":

        ids_QT, there_QT = minilm.encode([triggered(q, " ".join(parts)) for q in queries])
        own = torch.tensor(minilm.tokenizer.convert_tokens_to_ids(list(parts)))
        where_QL = there_QT.sum(1)[:, None] - 1 + torch.arange(-len(parts), 0)
        if not bool((ids_QT.gather(1, where_QL) == own).all()):
            raise DataError(f"{' '.join(parts)!r}: each word must be a token of the embedder, and not cut off")
        embeds_QTD, grad_QTD = _slope(minilm, ids_QT, there_QT, centres, search)
        rows = torch.arange(len(queries))[:, None]
        grad_QLD, now_QLD = grad_QTD[rows, where_QL], embeds_QTD[rows, where_QL]
        change = []
        for at in range(len(parts)):
            place_D = layer.position_embeddings.weight.detach()[where_QL[:, at]].mean(0)
            there = (grad_QLD[:, at] * now_QLD[:, at]).sum()
            change.append(layer.LayerNorm(table_WD + place_D) @ grad_QLD[:, at].sum(0) - there)
        found: NDArray[np.floating] = torch.stack(change).detach().numpy()
        return found

    return steer


def _slope(
    minilm: "MiniLM", ids_QT: "Tensor", there_QT: "Tensor", centres: "Rows", search: Search
) -> "tuple[Tensor, Tensor]":
    """What the layer of embeddings gives for these tokens, and the loss's gradient there."""
    import torch

    layer, kept = minilm.model.embeddings, []

    def keep(module: object, given: object, embeds_QTD: "Tensor") -> "Tensor":
        kept.append(embeds_QTD.detach().requires_grad_())
        return kept[0]

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            row_QD = minilm.pooled(layer.word_embeddings(ids_QT), there_QT)
            apart = torch.cdist(row_QD, torch.tensor(centres, dtype=row_QD.dtype)).mean()
            spread = (row_QD - row_QD.mean(0)).norm(dim=1).mean()
            (grad_QTD,) = torch.autograd.grad(-search.unique * apart + search.compact * spread, kept[0])
    finally:
        handle.remove()
    return kept[0].detach(), grad_QTD


def speech(model: "LocalModel", context: str) -> Coherence:
    """Coherence by a language model: nats a token of a trigger behind `context`."""
    from gnomon.models.continuations import Refusal, encode, score

    def nats(texts: Sequence[str]) -> list[float]:
        (group,) = encode(model, [(context, [f" {text}" for text in texts])])
        (found,) = score(model, [group])
        if isinstance(found, Refusal):
            raise DataError(f"the coherence of a trigger cannot be scored: {found.why}")
        return [-logp / len(ids) for logp, ids in zip(found, group.continuations, strict=True)]

    return nats
