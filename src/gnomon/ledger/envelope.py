"""One entry of the log: a record as an in-toto statement in a signed DSSE envelope.

It does not store or order entries. The statement names the log and the position, so that no entry can be moved,
repeated, or carried over from another ledger of the same key.
Source: in-toto Statement v1; DSSE v1 (pre-authentication encoding "DSSEv1 len type len body"); RFC 8785.
Fails: closed; anything malformed or not signed by the given key raises IntegrityError.
"""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gnomon.core.canonical import canonical, from_builtins, to_builtins
from gnomon.core.errors import DataError, IntegrityError
from gnomon.core.types import Record
from gnomon.ledger.note import PublicKey, unbase64

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:gnomon:record:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A record with its place in a log and the time at which it was first written."""

    record: Record
    log: str
    """Origin of the log, as in its checkpoint."""
    index: int
    """Position in the log, from 0."""
    recorded_at: str
    """Coordinated universal time, ISO 8601. Not part of the record's id."""


def pae(body: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """The bytes that DSSE signs."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def payload_path(digest: str) -> str:
    """Where a payload lies inside the ledger's folder."""
    return f"payloads/sha256/{digest[:2]}/{digest}.json"


def _statement(entry: Entry) -> dict[str, Any]:
    place = {"log": entry.log, "index": entry.index, "recordedAt": entry.recorded_at}
    return {
        "_type": STATEMENT,
        "subject": [{"name": payload_path(entry.record.payload), "digest": {"sha256": entry.record.payload}}],
        "predicateType": PREDICATE,
        "predicate": {**to_builtins(entry.record), **place},
    }


def seal(entry: Entry, *, key: Ed25519PrivateKey) -> bytes:
    """The signed envelope as one line of canonical JSON, without the newline: a leaf of the log."""
    body = canonical(_statement(entry))
    public = PublicKey(entry.log, key.public_key().public_bytes_raw())
    return _envelope(body, public.fingerprint, key.sign(pae(body)))


def _envelope(body: bytes, keyid: str, signature: bytes) -> bytes:
    signatures = [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}]
    payload = base64.b64encode(body).decode()
    return canonical({"payload": payload, "payloadType": PAYLOAD_TYPE, "signatures": signatures})


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError("not JSON") from error


def unseal(raw: bytes, *, key: PublicKey) -> Entry:
    """Check an envelope's signature and form, and read its entry."""
    entry, body, signature = parse(raw)
    if not key.verifies(signature, pae(body)):
        raise IntegrityError(f"the envelope's signature is not by the key {key.fingerprint[:16]}…")
    if _envelope(body, key.fingerprint, signature) != raw:
        raise IntegrityError("the envelope is not the canonical one of its statement and key")
    if entry.log != key.name:
        raise IntegrityError(f"the entry belongs to the log {entry.log}, not to {key.name}")
    return entry


def parse(raw: bytes) -> tuple[Entry, bytes, bytes]:
    """An envelope's entry, signed body and signature, with its form checked but not its signature."""
    match _json(raw):
        case {"payload": str(payload), "payloadType": str(kind), "signatures": [{"keyid": str(), "sig": str(sig)}]}:
            body, signature = unbase64(payload, what="the envelope's payload"), unbase64(sig, what="the signature")
        case _:
            raise IntegrityError("not a DSSE envelope with one signature")
    if kind != PAYLOAD_TYPE:
        raise IntegrityError(f"the envelope's type is not {PAYLOAD_TYPE}")
    match _json(body):
        case {"predicate": {"log": str(log), "index": int(index), "recordedAt": str(recorded_at), **fields}}:
            try:
                record = from_builtins(fields, Record)
            except DataError as error:
                raise IntegrityError(f"the record is malformed: {error}") from error
        case _:
            raise IntegrityError("not a statement about a record")
    entry = Entry(record=record, log=log, index=index, recorded_at=recorded_at)
    try:
        same = canonical(_statement(entry)) == body
    except DataError as error:
        raise IntegrityError(f"the record is malformed: {error}") from error
    # One rendering for each entry: a field that is missing, unknown or contradicts another cannot hide.
    if not same:
        raise IntegrityError("the statement is not the canonical one of its record")
    return entry, body, signature
