"""The private key of a ledger: made on first use, kept in one file that only its owner can read.

It is never stored inside a ledger's folder, and no environment is read: the caller says where it lies.
Source: RFC 8032 (Ed25519), PKCS #8 in PEM without a password.
Fails: closed; a key file that others can read, or that is no Ed25519 key, raises StorageError.
"""

import os
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gnomon.core.errors import StorageError
from gnomon.core.files import storage


def load(path: Path) -> Ed25519PrivateKey:
    """Read the key. Raises StorageError when it is missing, unsafe or not an Ed25519 key."""
    with storage(path):
        mode, raw = path.stat().st_mode, path.read_bytes()
    if mode & 0o077:
        raise StorageError(f"{path}: others can read this private key; run: chmod 600 {path}")
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError) as error:
        raise StorageError(f"{path}: not a private key in PEM; move it away and a new one is made") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StorageError(f"{path}: not an Ed25519 key; give another file, or move it away and a new one is made")
    return key


def load_or_make(path: Path) -> Ed25519PrivateKey:
    """Read the key, or make it with mode 0600. Two programs that start together end with the same key."""
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with storage(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as handle:
                    handle.write(pem)
                    handle.flush()
                    os.fsync(handle.fileno())
                os.link(name, path)  # unlike a rename, it never replaces a key that another program just made
            except FileExistsError:
                pass
            finally:
                Path(name).unlink(missing_ok=True)
    return load(path)
