"""What the ledger asks of the operating system beyond `core.files`: a lock, and bytes that stay after a power cut.

Source: flock(2), fsync(2). Locks work on local file systems; on others the error says so.
Fails: closed; a lock that is held and a disk that is full raise StorageError.
"""

import fcntl
import os
from pathlib import Path

from gnomon.core.errors import StorageError
from gnomon.core.files import storage


def lock(descriptor: int, folder: Path) -> None:
    """Become the only writer of the ledger in `folder`, until the descriptor is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(
            f"{folder}: another program is writing to this ledger; wait until it ends, or choose another folder"
        ) from error
    except OSError as error:
        raise StorageError(f"{folder}: this file system cannot lock files ({error}); choose another folder") from error


def sync(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    with storage(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append(descriptor: int, data: bytes, *, path: Path) -> None:
    """Write all bytes at the end of a file and wait until they are on the disk."""
    with storage(path):
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
