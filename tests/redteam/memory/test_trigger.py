"""The search lowers its loss, the gradient says where to, and the losses are what they are called."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gnomon.core.errors import DataError, SettingsError
from gnomon.redteam.memory.store import Entry, Hashed, Memory
from gnomon.redteam.memory.trigger import Search, clusters, gradient, measured, optimise, triggered, vocabulary

BENIGN = ["tea with milk", "rain in march", "a red fence", "bread and salt", "the old lamp", "roses in bloom"]
WORDS = ["tea", "rain", "fence", "quartz", "velvet", "nimbus", "bread"]
QUERIES = ["how long does tea take", "why does rain fall", "who paints a fence"]


def test_losses_are_distances_worked_out_by_hand() -> None:
    corner = np.eye(3)
    rows = {"a t": corner[0], "b t": corner[1]}
    (found,) = measured(["t"], lambda texts: np.stack([rows[x] for x in texts]), ["a", "b"], corner[2:], Search())
    assert found.unique == pytest.approx(2**0.5)
    assert found.compact == pytest.approx(2**-0.5)
    assert found.loss == pytest.approx(found.compact - found.unique)


def test_incoherent_words_cost_what_they_weigh() -> None:
    rows = Hashed()(BENIGN)
    plain, nats = (
        measured(["quartz"], Hashed(), QUERIES, rows, Search(coherent=0.5), speech)[0]
        for speech in (None, lambda texts: [4.0] * len(texts))
    )
    assert nats.loss == pytest.approx(plain.loss + 2.0)
    assert nats.coherence == 4


def test_clusters_are_the_means_of_what_lies_near_them() -> None:
    rows = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], float)
    centres = clusters(rows, 2, seed=0)
    assert sorted(centres.tolist()) == [[0.05, 1.0], [1.0, 0.05]]
    assert len(clusters(rows, 9, seed=0)) == 4


def test_the_search_only_goes_down_and_the_same_seed_finds_the_same() -> None:
    settings = Search(start="tea rain", steps=12, candidates=6)
    one, two = (
        optimise(embed=Hashed(), queries=QUERIES, benign=Hashed()(BENIGN), words=WORDS, search=settings, seed=3)
        for _ in range(2)
    )
    assert one == two
    assert list(one.losses) == sorted(one.losses, reverse=True)
    assert one.loss == one.losses[-1] < one.losses[0]
    assert set(one.text.split()) <= {"quartz", "velvet", "nimbus"}, "words that no benign request has"
    assert one.text != "tea rain"


def test_what_holds_the_trigger_is_recalled_before_what_does_not() -> None:
    benign = [Entry(q, "a") for q in BENIGN]
    memory = Memory(Hashed(), [*benign, Entry(triggered("who knows", "quartz velvet nimbus"), "p", True)])
    assert all(memory.recall(triggered(q, "quartz velvet nimbus"), 1)[0].entry.poisoned for q in QUERIES)
    assert not any(memory.recall(q, 1)[0].entry.poisoned for q in [*BENIGN, QUERIES[0]])


def test_a_search_without_words_or_requests_is_refused() -> None:
    with pytest.raises(DataError, match="at least one of each"):
        optimise(embed=Hashed(), queries=[], benign=Hashed()(BENIGN), words=WORDS, search=Search(), seed=0)
    with pytest.raises(SettingsError, match="at least a word"):
        Search(start=" ")


@pytest.mark.slow
def test_the_gradient_tells_better_words_from_worse_ones_and_the_search_lowers_minilm_s_loss() -> None:
    from gnomon.models import minilm

    embed = minilm.load(Path.home() / ".cache" / "gnomon")
    words, settings = vocabulary(embed), Search(steps=3, candidates=12, coherent=0.0)
    centres = clusters(embed(BENIGN), 3, seed=0)
    parts = settings.start.split()
    change_LW = gradient(embed, words, settings)(QUERIES, parts, centres)
    own = [words.index(part) for part in parts]
    assert np.abs(change_LW[range(len(parts)), own]).max() < 0.1 * np.abs(change_LW).max(), "itself changes nothing"

    def mean_loss(order: Sequence[int]) -> float:
        texts = [" ".join([*parts[:2], words[w], *parts[3:]]) for w in order]
        return float(np.mean([t.loss for t in measured(texts, embed, QUERIES, centres, settings)]))

    order = np.argsort(change_LW[2])
    assert mean_loss(order[:48]) < mean_loss(order[-48:])
    (start,) = measured([settings.start], embed, QUERIES, centres, settings)
    steer = gradient(embed, words, settings)
    best = optimise(
        embed=embed, queries=QUERIES, benign=embed(BENIGN), words=words, search=settings, seed=0, steer=steer
    )
    assert best.losses[-1] < start.loss - 0.02
    with pytest.raises(DataError, match="a token of the embedder"):
        steer(QUERIES, ["unquotableness"], centres)
