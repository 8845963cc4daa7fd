import os
import stat
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gnomon.core.errors import StorageError
from gnomon.ledger import keys


def test_made_once_with_rights_for_the_owner_alone(tmp_path):
    path = tmp_path / "config" / "key.pem"
    first = keys.load_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.load_or_make(path).private_bytes_raw() == first.private_bytes_raw()
    assert [p.name for p in path.parent.iterdir()] == ["key.pem"]


def test_many_first_users_end_with_one_key(tmp_path):
    found, start = [], threading.Barrier(8)

    def use() -> None:
        start.wait()
        found.append(keys.load_or_make(tmp_path / "key").private_bytes_raw())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "key"
    keys.load_or_make(path)
    os.chmod(path, 0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        keys.load_or_make(path)


@pytest.mark.parametrize("kind", ["empty", "text", "ecdsa", "folder"])
def test_other_files_are_refused(tmp_path, kind):
    path = tmp_path / "key"
    if kind == "folder":
        path.mkdir(mode=0o700)
    else:
        other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes({"empty": b"", "text": b"not a key", "ecdsa": other}[kind])
        path.chmod(0o600)
    with pytest.raises(StorageError):
        keys.load_or_make(path)


def test_the_key_file_of_a_missing_disk(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        keys.load_or_make(tmp_path / "file" / "key")
