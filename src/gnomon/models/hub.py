"""A Hugging Face id as a folder: what is already on disk first, then one download of safetensors and JSON.

Pickled weights are refused. It loads nothing into memory.
Fails: no network, no such model, no right or no safetensors is a ModelError within seconds.
"""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from gnomon.core.errors import ModelError

SECONDS = 10.0
WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "tokenizer*", "*.model", "*.txt")


def snapshot(spec: str) -> Path:
    """Folder of `org/name` or `org/name@revision`. Raises ModelError."""
    name, _, revision = spec.partition("@")
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision or None, local_files_only=True))
    except LocalEntryNotFoundError:
        return _download(name, revision)
    except HFValidationError as error:
        raise ModelError(f"'{spec}' is not a Hugging Face id: {error}; write org/name or org/name@revision") from error


def _download(name: str, revision: str) -> Path:
    if why := unreachable():
        raise ModelError(
            f"{name} is not on this disk and the hub cannot be reached ({why}). Where there is a network, run\n"
            f"    hf download {name}\nand copy the folder here, then name that folder; or use the embedded model"
        )
    try:
        about = huggingface_hub.HfApi().model_info(name, revision=revision or None, timeout=SECONDS)
        if not any(f.rfilename.endswith(".safetensors") for f in about.siblings or ()):
            raise ModelError(f"{name} has no safetensors weights; convert it with save_pretrained and name the folder")
        return Path(huggingface_hub.snapshot_download(name, revision=revision or None, allow_patterns=list(WANTED)))
    except GatedRepoError as error:
        raise ModelError(
            f"{name} asks for consent: accept its terms on its page there, then `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"there is no model '{name}' on the hub, or it is private; check the spelling") from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"{name} could not be fetched from the hub: {error}") from error


def unreachable() -> str:
    """Why the hub cannot be reached, or nothing: one quick connection, where its own client would retry for minutes."""
    parts = urlsplit(constants.ENDPOINT)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        socket.create_connection(address, timeout=SECONDS).close()
    except OSError as error:
        return f"{address[0]}: {error}"
    return ""
