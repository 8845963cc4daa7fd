"""Signed notes and checkpoints: text that ends in signatures, in the form that transparency logs exchange.

It keeps no keys on disk (`keys`) and no log (`store`). Ed25519 only; lines by unknown keys are passed over.
Source: C2SP signed-note (text, blank line, "— name base64(key hash || signature)") and tlog-checkpoint
(origin, size, base64 root, extension lines); key text and hash as in golang.org/x/mod/sumdb/note.
Fails: closed; anything malformed, in a non-canonical base64, or not signed by the given key raises IntegrityError.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gnomon.core.errors import IntegrityError

ED25519 = b"\x01"
DASH = "\N{EM DASH}"


def unbase64(text: str, *, what: str) -> bytes:
    """Strict base64: one text for each value, so that no changed character goes unseen."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise IntegrityError(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise IntegrityError(f"{what} is not in canonical base64")
    return raw


@dataclass(frozen=True)
class PublicKey:
    """A named Ed25519 public key."""

    name: str
    raw: bytes
    """32 bytes."""

    @property
    def hint(self) -> bytes:
        """The four bytes by which a signature line names this key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.raw).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the 32 key bytes; the same whatever the name."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def text(self) -> str:
        """The key as `name+hash+base64`."""
        return f"{self.name}+{self.hint.hex()}+{base64.b64encode(ED25519 + self.raw).decode()}"

    @staticmethod
    def parse(text: str) -> "PublicKey":
        """Read `name+hash+base64`. Raises IntegrityError when the hash is not that of name and key."""
        name, _, rest = text.partition("+")
        hint, _, key = rest.partition("+")
        raw = unbase64(key, what="the public key")
        if not name or re.search(r"\s", name) or len(raw) != 33 or raw[:1] != ED25519:
            raise IntegrityError("not an Ed25519 public key; write name+hash+base64, as in the ledger's public.key")
        public = PublicKey(name, raw[1:])
        if public.hint.hex() != hint:
            raise IntegrityError(f"the public key's hash is {public.hint.hex()}, its text says {hint[:20]}")
        return public

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def sign(text: str, *, key: Ed25519PrivateKey, name: str) -> str:
    """The text as a note with one signature. The text must end in a newline."""
    public = PublicKey(name, key.public_key().public_bytes_raw())
    signature = base64.b64encode(public.hint + key.sign(text.encode())).decode()
    return f"{text}\n{DASH} {name} {signature}\n"


def verify(note: str, *, key: PublicKey, alone: bool = False) -> str:
    """The text of a note that `key` has signed; `alone`: no other signature line is allowed."""
    head, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise IntegrityError("not a signed note: it must end in a blank line and signature lines")
    text, lines = head + "\n", tail[:-1].split("\n")
    if any(ord(c) < 0x20 and c != "\n" for c in note):
        raise IntegrityError("a signed note holds no control characters")
    good = 0
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != DASH or not parts[1]:
            raise IntegrityError("a signature line must be '— name base64'")
        raw = unbase64(parts[2], what="a signature")
        if parts[1] == key.name and raw[:4] == key.hint:
            if not key.verifies(raw[4:], text.encode()):
                raise IntegrityError(f"the signature by {key.name} does not verify")
            good += 1
    if good != 1 or (alone and len(lines) != 1):
        raise IntegrityError(f"no signature by {key.name}+{key.hint.hex()}" if not good else "more signatures than one")
    return text


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: how many entries it has, and their root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines, covered by the signature."""

    @property
    def text(self) -> str:
        """The lines that are signed."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @staticmethod
    def parse(text: str) -> "Checkpoint":
        """Read the signed lines of a checkpoint."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise IntegrityError("a checkpoint has an origin, a size and a root, each on its own line")
        origin, size, root, *extensions = lines[:-1]
        if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size):
            raise IntegrityError("the checkpoint's size is not a plain number")
        raw = unbase64(root, what="the checkpoint's root")
        if len(raw) != 32:
            raise IntegrityError("the checkpoint's root is not 32 bytes")
        return Checkpoint(origin, int(size), raw, tuple(extensions))


def read_checkpoint(note: str, *, key: PublicKey, alone: bool = False) -> Checkpoint:
    """A checkpoint signed by `key` for the log that the key is named after."""
    checkpoint = Checkpoint.parse(verify(note, key=key, alone=alone))
    if checkpoint.origin != key.name:
        raise IntegrityError(f"the checkpoint is of the log {checkpoint.origin}, not of {key.name}")
    return checkpoint
