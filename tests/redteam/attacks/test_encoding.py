"""The encodings can be decoded, and each is tried once."""

import base64
import codecs

from gnomon.core.protocols import Budget
from gnomon.redteam.attacks.encoding import Encoding

from ..conftest import goal
from ..test_contract import drive


def test_encoded_requests_decode_to_the_request() -> None:
    plain = goal().prompt.request
    attempts = drive(Encoding(), goal(), Budget(tries=40), 0)
    last = {a.note.removeprefix("encoding "): a.prompt.request.splitlines()[-1] for a in attempts}
    assert base64.b64decode(last["request in base64"]).decode() == plain
    assert bytes.fromhex(last["request in hex"]).decode() == plain
    assert last["request in reversed"][::-1] == plain
    assert codecs.decode(last["request in rot13"], "rot13") == plain
    assert last["request in spaced"][::2] == plain
    assert len(last) == len(attempts) == 13


def test_requests_can_be_left_plain() -> None:
    attempts = drive(Encoding(requests=False), goal(), Budget(tries=40), 0)
    assert len(attempts) == 8
    assert all(goal().prompt.request in a.prompt.request for a in attempts)
