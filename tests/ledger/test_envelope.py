import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from gnomon.core.canonical import canonical, digest
from gnomon.core.errors import IntegrityError
from gnomon.core.types import Record
from gnomon.ledger.envelope import PAYLOAD_TYPE, Entry, pae, parse, seal, unseal
from gnomon.ledger.note import PublicKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PublicKey("gnomon/test", KEY.public_key().public_bytes_raw())
RECORD = Record(
    kind="scores", payload="ab" * 32, labels={"subject": "before", "é": "\u2028"}, parents=("cd" * 32,), code="x"
)
ENTRY = Entry(record=RECORD, log="gnomon/test", index=3, recorded_at="2026-01-02T03:04:05.678Z")
RAW = seal(ENTRY, key=KEY)


def sslib_key() -> SSlibKey:
    return SSlibKey(PUBLIC.fingerprint, "ed25519", "ed25519", {"public": PUBLIC.raw.hex()})


def test_the_encoding_that_is_signed_is_that_of_the_specification():
    assert pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_securesystemslib_accepts_our_envelope():
    envelope = Envelope.from_dict(json.loads(RAW))
    assert envelope.pae() == pae(envelope.payload)
    assert envelope.verify([sslib_key()], 1)
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([sslib_key()], 1)


def test_we_accept_an_envelope_of_securesystemslib():
    envelope = Envelope(parse(RAW)[1], PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(KEY, sslib_key()))
    assert unseal(canonical(envelope.to_dict()), key=PUBLIC) == ENTRY


def test_there_and_back():
    assert unseal(RAW, key=PUBLIC) == ENTRY
    assert unseal(RAW, key=PUBLIC).record.id == RECORD.id == digest(RECORD)
    assert b"\n" not in RAW


def test_the_statement_is_in_toto():
    statement = json.loads(base64.b64decode(json.loads(RAW)["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["digest"] == {"sha256": RECORD.payload}
    assert statement["predicateType"].startswith("urn:gnomon:")
    assert statement["predicate"]["recordedAt"] == ENTRY.recorded_at


def test_another_key_or_log_is_refused():
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(IntegrityError, match="not by the key"):
        unseal(RAW, key=PublicKey("gnomon/test", other))
    with pytest.raises(IntegrityError, match="belongs to the log"):
        unseal(RAW, key=PublicKey("gnomon/other", PUBLIC.raw))


def signed(statement: object) -> bytes:
    body = canonical(statement)
    signature = {"keyid": PUBLIC.fingerprint, "sig": base64.b64encode(KEY.sign(pae(body))).decode()}
    payload = base64.b64encode(body).decode()
    return canonical({"payload": payload, "payloadType": PAYLOAD_TYPE, "signatures": [signature]})


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "other"},
        {"predicateType": "other"},
        {"subject": []},
        {"subject": [{"name": "x", "digest": {"sha256": "ab" * 32}}]},
        {"predicate": {}},
        {"more": 1},
    ],
)
def test_a_signed_statement_that_says_something_else_is_refused(change):
    statement = json.loads(parse(RAW)[1])
    assert unseal(signed(statement), key=PUBLIC) == ENTRY
    with pytest.raises(IntegrityError):
        unseal(signed({**statement, **change}), key=PUBLIC)


@pytest.mark.parametrize(
    "change", [{"index": "3"}, {"parents": "x"}, {"labels": {"a": 1}}, {"payload": None}, {"more": 1}, {"index": 1.5}]
)
def test_a_signed_record_with_wrong_fields_is_refused(change):
    statement = json.loads(parse(RAW)[1])
    statement["predicate"].update(change)
    with pytest.raises(IntegrityError):
        unseal(signed(statement), key=PUBLIC)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"payload":"!","payloadType":"","signatures":[]}']
)
def test_no_envelope_at_all(raw):
    with pytest.raises(IntegrityError):
        unseal(raw, key=PUBLIC)


@settings(max_examples=300)
@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_any_changed_byte_of_an_envelope_is_seen(position, mask):
    raw = bytearray(RAW)
    raw[position] ^= mask
    with pytest.raises(IntegrityError):
        unseal(bytes(raw), key=PUBLIC)
