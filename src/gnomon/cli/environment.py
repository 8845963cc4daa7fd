"""The only reader of the environment: folders, keys and tokens, resolved once and handed down.

Variables: GNOMON_HOME (cache and signing key; default ~/.cache/gnomon), GNOMON_KEY (path of the signing key),
GNOMON_API_KEY or OPENAI_API_KEY (token for a remote model).
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a command may know of the machine it runs on."""

    home: Path
    """Cache of converted models, and the signing key unless named elsewhere."""
    key: Path
    """Ed25519 signing key; made on first use, mode 0600."""
    token: str
    """Bearer token for remote models; empty if none is set."""


def environment(key: Path | None = None) -> Environment:
    """Read the environment; `key` (from the command line) wins over GNOMON_KEY."""
    home = Path(os.environ.get("GNOMON_HOME") or Path.home() / ".cache" / "gnomon")
    named = os.environ.get("GNOMON_KEY")
    return Environment(
        home=home,
        key=key or (Path(named) if named else home / "signing.key"),
        token=os.environ.get("GNOMON_API_KEY") or os.environ.get("OPENAI_API_KEY") or "",
    )


def unwatched() -> None:
    """Keep W&B, if a run uses it, from sending its own errors home; who wants that sets the variable."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
