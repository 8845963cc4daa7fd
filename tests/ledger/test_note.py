"""Vectors: golang.org/x/mod/sumdb/note (PeterNeumann) and C2SP signed-note (example.com/foo)."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.errors import IntegrityError
from gnomon.ledger.note import Checkpoint, PublicKey, read_checkpoint, sign, verify

NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PublicKey("gnomon/test", KEY.public_key().public_bytes_raw())
NOTE = sign(Checkpoint("gnomon/test", 7, b"r" * 32, ("extra line",)).text, key=KEY, name="gnomon/test")


def test_published_notes():
    key = PublicKey.parse(NEUMANN)
    assert key.text == NEUMANN
    assert verify(f"{TEXT}\n{LINE}", key=key) == TEXT
    assert verify(FOO_NOTE, key=PublicKey.parse(FOO)) == "This is an example message.\n"
    with pytest.raises(IntegrityError, match="no signature by"):
        verify(FOO_NOTE, key=key)


def test_other_signers_are_passed_over_unless_it_must_stand_alone():
    note = f"{TEXT}\n{FOO_NOTE.split(chr(10) * 2)[1]}{LINE}"
    assert verify(note, key=PublicKey.parse(NEUMANN)) == TEXT
    with pytest.raises(IntegrityError, match="more signatures than one"):
        verify(note, key=PublicKey.parse(NEUMANN), alone=True)


def test_a_checkpoint_survives_the_way_there_and_back():
    head = read_checkpoint(NOTE, key=PUBLIC, alone=True)
    assert head == Checkpoint("gnomon/test", 7, b"r" * 32, ("extra line",))
    lines = NOTE.split("\n")
    assert lines[:3] == ["gnomon/test", "7", base64.b64encode(b"r" * 32).decode()]
    assert lines[4] == ""
    assert lines[5].startswith("— gnomon/test ")


def test_a_checkpoint_of_another_log_is_refused():
    note = sign(Checkpoint("other", 7, b"r" * 32).text, key=KEY, name="gnomon/test")
    with pytest.raises(IntegrityError, match="of the log other"):
        read_checkpoint(note, key=PUBLIC)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_any_changed_byte_is_seen(position, mask):
    raw = bytearray(NOTE.encode())
    raw[position] ^= mask
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(IntegrityError):
        read_checkpoint(text, key=PUBLIC, alone=True)


@given(st.integers(0, len(NEUMANN) - 1), st.integers(1, 127))
def test_any_changed_byte_of_a_key_is_seen(position, mask):
    raw = bytearray(NEUMANN.encode())
    raw[position] ^= mask
    with pytest.raises(IntegrityError):
        PublicKey.parse(raw.decode())


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n", "a\n1\n!\n", "a\n1\nAAAA\n\nb\n"]
)
def test_malformed_checkpoints(text):
    with pytest.raises(IntegrityError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "note", ["", "text\n", "text\n\n", "text\n\n— a\n", f"\n{LINE}", f"{TEXT}\n{LINE}{LINE}", TEXT + LINE]
)
def test_malformed_notes(note):
    with pytest.raises(IntegrityError):
        verify(note, key=PublicKey.parse(NEUMANN))
