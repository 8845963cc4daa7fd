"""How much of a text comes back from its embedding, without any training, against its length?

    python experiments/embedding_inversion.py [--quick] [--json] [--work FOLDER]

Vectors of the packaged MiniLM: public questions (HaluEval) cut to 4, 8, 16 and 32 words are searched
for with the embedder as oracle. Counted are words that come back, all of them and those that carry meaning, whole
texts, and what one text shares with the search for another of its length: what chance and common words bring. Then
closed forms on the embedded model's own table: a token's vector under noise, and several tokens' sum. Resumes from
FOLDER; writes docs/experiments/embedding_inversion.json, but not with --quick.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gnomon.core.canonical import to_builtins
from gnomon.core.files import read_json_lines
from gnomon.core.seeds import generator
from gnomon.core.statistics import clustered
from gnomon.core.types import Estimate, Json
from gnomon.executor.local import Local
from gnomon.models import minilm
from gnomon.models.load import load
from gnomon.models.minilm import MiniLM
from gnomon.redteam.extraction.inversion import Array, Search, invert, nearest, pursuit, recovered
from gnomon.redteam.words import content

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "experiments" / "embedding_inversion.json"
DATA = ROOT.parent / "shared" / "data" / "halueval-general" / "general_open.jsonl"
CACHE = Path.home() / ".cache" / "gnomon"
LENGTHS = (4, 8, 16, 32)
NOISE = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Length of the noise, in lengths of the token's own vector."""


def texts(path: Path, words: int, count: int) -> list[str]:
    """Beginnings of public questions, so many words each, no two of one question."""
    long = sorted({row["user_query"] for _, row in read_json_lines(path) if len(row["user_query"].split()) >= words})
    drawn = generator(0, "inversion texts", words).sample(long, count)
    return [" ".join(q.split()[:words]) for q in drawn]


def vocabulary(encoder: MiniLM, work: Path) -> tuple[list[str], Array]:
    """Whole words of the encoder's own vocabulary with their vectors, kept between runs."""
    words = sorted(w for w in encoder.tokenizer.get_vocab() if w.isascii() and w.isalpha())
    kept = work / f"words-{encoder.identity['weights'][:12]}.npy"
    if not kept.is_file():
        work.mkdir(parents=True, exist_ok=True)
        np.save(kept, encoder(words))
    return words, np.load(kept)


def searched(work: Path, data: Path, quick: bool) -> dict[str, Any]:
    """Recovery from sentence embeddings, by length."""
    encoder, count = minilm.load(CACHE), 2 if quick else 10
    words, word_WD = vocabulary(encoder, work)
    search = Search(calls=100 if quick else 1000, longest=40)
    found: dict[str, Any] = {"vocabulary": len(words), "texts embedded for each": search.calls}
    for length in LENGTHS[: 2 if quick else None]:
        asked = texts(data, length, count)

        def task(shard: Sequence[int], asked: Sequence[str] = asked) -> Json:
            targets = encoder([asked[n] for n in shard])
            told = [invert(t, encoder, words=words, word_WD=word_WD, search=search) for t in targets]
            return [to_builtins(one) for one in told]

        key = ["inversion", length, to_builtins(search)]
        rows: list[Any] = []
        for result in Local(work / "shards").map(task=task, shards=[[n] for n in range(count)], key=key):
            print(f"{length} words: {result.key[:8]}", flush=True)
            rows += result.value
        found[f"{length} words"] = counted(asked, rows)
    return found


def counted(asked: Sequence[str], rows: Sequence[Any]) -> dict[str, Any]:
    """What came back of these texts."""
    said = [row["text"] for row in rows]
    names = [str(n) for n in range(len(rows))]
    pairs = list(zip(asked, said, strict=True))
    # The same figure against the text before: what is shared without anything having been recovered.
    beside = [(asked[n - 1], said[n]) for n in range(len(rows))]

    def share(values: Sequence[float]) -> Estimate:
        return clustered.mean(values, names, bounds=(0.0, 1.0), unit="share of words")

    meaning = [(" ".join(sorted(content(a))), b) for a, b in pairs if content(a)]
    return {
        "words": share([recovered(a, b) for a, b in pairs]),
        "words that carry meaning": clustered.mean(
            [recovered(a, b) for a, b in meaning],
            [str(n) for n in range(len(meaning))],
            bounds=(0.0, 1.0),
            unit="share of words",
        ),
        "words, of another text": share([recovered(a, b) for a, b in beside]),
        "whole texts": clustered.rate([float(a.lower().split() == b.split()) for a, b in pairs], names),
        "cosine": clustered.mean([row["cosine"] for row in rows], names, bounds=(-1.0, 1.0), unit="cosine"),
    }


def closed(quick: bool) -> dict[str, Any]:
    """The embedded model's own table: rows under noise, and sums of rows."""
    model: Any = load(None, cache=CACHE, dtype="float32")
    table_VD = model.model.get_input_embeddings().weight.detach().numpy().astype(float)
    random = np.random.default_rng(0)
    ids = random.integers(0, len(table_VD), size=16 if quick else 200)
    length_T = np.linalg.norm(table_VD[ids], axis=1, keepdims=True)
    noise_TD = random.normal(size=(len(ids), table_VD.shape[1]))
    noise_TD *= length_T / np.linalg.norm(noise_TD, axis=1, keepdims=True)
    names = [str(n) for n in range(len(ids))]
    found: dict[str, Any] = {}
    for size in NOISE:
        got = nearest(table_VD[ids] + size * noise_TD, table_VD)
        found[f"a token's vector, noise {size} times as long"] = clustered.rate(
            [float(a == b) for a, b in zip(got, ids, strict=True)], names
        )
    for count in (4, 16) if quick else (4, 8, 16, 32):
        shares = []
        for _ in range(2 if quick else 6):
            own = random.choice(len(table_VD), size=count, replace=False)
            shares.append(len(set(pursuit(table_VD[own].sum(0), table_VD, count)) & set(own.tolist())) / count)
        found[f"the sum of {count} tokens' vectors"] = clustered.mean(
            shares, [str(n) for n in range(len(shares))], bounds=(0.0, 1.0), unit="share of tokens"
        )
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="fewer of everything, nothing written")
    asked.add_argument("--json", action="store_true", help="one line")
    asked.add_argument("--work", type=Path, default=ROOT / "runs" / "embedding_inversion", help="what is gone on from")
    asked.add_argument("--data", type=Path, default=DATA)
    given = asked.parse_args()
    torch.set_num_threads(1)
    whole = {
        "command": f"python experiments/embedding_inversion.py{' --quick' if given.quick else ''}",
        "MiniLM": searched(given.work, given.data, given.quick),
        "embedded model's table": closed(given.quick),
    }
    if not given.quick:
        OUT.write_text(json.dumps(to_builtins(whole), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(to_builtins(whole), indent=None if given.json else 1, ensure_ascii=False))


if __name__ == "__main__":
    main()
