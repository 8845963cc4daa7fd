"""The ledger: records appended to a signed Merkle log on disk, payloads beside it by their digest.

It does not judge records, and reads no environment: the caller says where folder and key lie. One writer at a time.
An append is durable when it returns: payload, then entry, then checkpoint; killed anywhere between, the next
opening keeps a whole entry and drops a torn one. Opening reads the log once; finding is a scan of memory.
Source: `merkle`, `note`, `envelope`, `layout` in this folder.
Fails: closed; StorageError (locked, full, unreadable) leaves the ledger as it was, IntegrityError when anything
that the checkpoint covers is missing or changed.
"""

import datetime
import os
import secrets
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gnomon.core.canonical import canonical, code_digest, digest, sha256
from gnomon.core.errors import DataError, IntegrityError, SettingsError, StorageError
from gnomon.core.files import storage, write_atomic
from gnomon.core.types import Json, Record
from gnomon.ledger import disk, keys
from gnomon.ledger.envelope import Entry, parse, payload_path, seal, unseal
from gnomon.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    PUBLIC,
    VERIFIER,
    payload_files,
    read_lines,
    read_note,
    read_public,
    verifier_line,
    verifier_source,
)
from gnomon.ledger.merkle import Tree, leaf_hash
from gnomon.ledger.note import Checkpoint, PublicKey, read_checkpoint, sign


class Ledger:
    """Signed records in the order in which they were made. Use `open` to write, `read` to look."""

    def __init__(self, folder: Path, public: PublicKey) -> None:
        self.folder = folder
        self.public = public
        self._entries: list[Entry] = []
        self._position: dict[str, int] = {}
        self._tree = Tree()
        self._note = ""
        self._length = 0
        """Bytes of the log that are known to be whole."""
        self._signer: Ed25519PrivateKey | None = None
        self._descriptor = -1
        self._extensions: tuple[str, ...] = ()
        self._close: Callable[[], object] = lambda: None

    @classmethod
    def open(cls, folder: Path, *, key: Path | None = None) -> Self:
        """Open for writing; folder and key are made on first use.

        `key` is the private key's file. Without it the key lies beside the folder, as FOLDER.key; never inside it.
        """
        with storage(folder / ENTRIES):
            (folder / ENTRIES).parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / ENTRIES, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            disk.lock(descriptor, folder)
            signer = keys.load_or_make(key or folder.with_name(folder.name + ".key"))
            ledger = cls(folder, _public(folder, signer))
            ledger._signer, ledger._descriptor = signer, descriptor
            ledger._recover()
        except BaseException:
            os.close(descriptor)
            raise
        ledger._close = weakref.finalize(ledger, os.close, descriptor)
        return ledger

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Open without lock and key, as of the checkpoint; `append` then raises SettingsError."""
        ledger = cls(folder, read_public(folder))
        ledger._load(read_note(folder / CHECKPOINT))
        return ledger

    def close(self) -> None:
        """Give up the lock. Nothing is lost without it: every append is durable when it returns."""
        self._signer = None
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._entries)

    def append(
        self,
        *,
        kind: str,
        payload: Json,
        labels: Mapping[str, str] | None = None,
        parents: Sequence[str] = (),
        settings: Json = None,
    ) -> Record:
        """Add a record; one that is already there is given back and the log does not grow.

        The payload comes back from `payload` as JSON gives it: tuples as lists, 1.0 as 1.
        """
        if self._signer is None:
            raise SettingsError(f"{self.folder}: opened for reading or closed; use Ledger.open to append")
        data = canonical(payload)
        record = Record(
            kind=kind,
            payload=sha256(data),
            labels=dict(labels or {}),
            parents=tuple(parents),
            code=code_digest(),
            settings="" if settings is None else digest(settings),
        )
        _check(record)
        if record.id in self._position:
            return self._entries[self._position[record.id]].record
        if missing := [p for p in parents if p not in self._position]:
            raise DataError(f"record '{kind}': its parent {missing[0]} is not in the ledger; append the parent first")
        self._write(record, data, self._signer)
        return record

    def payload(self, record: Record) -> Json:
        """A record's payload. Raises IntegrityError if its bytes are not those that were signed."""
        path = self.folder / payload_path(record.payload)
        if not path.is_file():
            raise IntegrityError(f"{path}: the payload of record {record.id[:12]} ('{record.kind}') is missing")
        with storage(path):
            raw = path.read_bytes()
        if sha256(raw) != record.payload:
            raise IntegrityError(f"{path}: the payload of record {record.id[:12]} ('{record.kind}') was changed")
        return msgspec.json.decode(raw)

    def get(self, id: str) -> Record:
        """The record with this id, or with an id that begins so if there is only one."""
        return self.entry(id).record

    def entry(self, id: str) -> Entry:
        """The record with its place in the log and its time; a unique beginning of the id is enough."""
        if id in self._position:
            return self._entries[self._position[id]]
        found = [at for known, at in self._position.items() if id and known.startswith(id)]
        if len(found) != 1:
            problem = f"{len(found)} records begin with '{id}'; write more digits" if found else f"no record '{id}'"
            raise DataError(f"{self.folder}: {problem}")
        return self._entries[found[0]]

    def find(self, kind: str, /, **labels: str) -> list[Record]:
        """Records of a kind that carry all these labels, in log order; the kind "" stands for every kind."""
        return [
            r for r in self.records() if kind in ("", r.kind) and all(r.labels.get(k) == v for k, v in labels.items())
        ]

    def records(self) -> list[Record]:
        """All records in log order."""
        return [entry.record for entry in self._entries]

    def entries(self) -> list[Entry]:
        """All records with place and time, in log order."""
        return list(self._entries)

    def checkpoint(self) -> str:
        """The signed head of the log, as it stands on disk. Keep a copy elsewhere: only it shows a rollback."""
        return self._note

    def inclusion(self, record: Record) -> tuple[int, list[bytes]]:
        """Place of a record, and the proof that it stands under the checkpoint's root."""
        at = self.entry(record.id).index
        return at, self._tree.inclusion(at)

    def consistency(self, size: int) -> list[bytes]:
        """Proof that the log as it was at `size` entries is a prefix of this one."""
        return self._tree.consistency(size)

    def _take(self, entry: Entry, line: bytes) -> None:
        self._position[entry.record.id] = len(self._entries)
        self._entries.append(entry)
        self._tree.append(leaf_hash(line))
        self._length += len(line) + 1

    def _load(self, note: str) -> list[bytes]:
        """Take all entries that a checkpoint covers; give back the complete lines beyond it."""
        where = self.folder / CHECKPOINT
        try:
            head = read_checkpoint(note, key=self.public, alone=True)
        except IntegrityError as error:
            raise IntegrityError(f"{where}: {error}") from error
        lines, _ = read_lines(self.folder)
        if len(lines) < head.size:
            raise IntegrityError(f"{where}: it covers {head.size} entries, the log has {len(lines)}")
        for index, line in enumerate(lines[: head.size]):
            try:
                entry, _, _ = parse(line)
            except IntegrityError as error:
                raise IntegrityError(f"{self.folder / ENTRIES}:{index + 1}: {error}") from error
            self._take(entry, line)
        if self._tree.root() != head.root:
            raise IntegrityError(f"{self.folder / ENTRIES}: not the entries whose root the checkpoint signs")
        self._note, self._extensions = note, head.extensions
        return lines[head.size :]

    def _recover(self) -> None:
        """Make whole what a kill may have left: missing first files, an entry without checkpoint, a torn tail."""
        with storage(self.folder / ENTRIES):
            empty = os.fstat(self._descriptor).st_size == 0
        current = (verifier_line(verifier_source()),)
        if empty and not (self.folder / CHECKPOINT).exists():
            if any(not p.name.startswith(".") for p in payload_files(self.folder)):
                raise IntegrityError(f"{self.folder}: payloads without log and checkpoint; put these back from a copy")
            self._extensions = current
            self._sign()
        beyond = self._load(read_note(self.folder / CHECKPOINT))
        for number, line in enumerate(beyond, start=1):
            try:
                self._take(self._whole(line), line)
            except IntegrityError as error:
                if number < len(beyond):  # one append leaves at most one unfinished line, and that is the last
                    raise IntegrityError(f"{self.folder / ENTRIES}:{len(self) + 1}: {error}") from error
        with storage(self.folder / ENTRIES):
            os.ftruncate(self._descriptor, self._length)
        source = self.folder / VERIFIER
        if not source.is_file() or source.read_bytes() != verifier_source():
            write_atomic(source, verifier_source())
        if beyond or self._extensions != current:
            self._extensions = current
            self._sign()
        self._clean()

    def _whole(self, line: bytes) -> Entry:
        """An entry beyond the checkpoint, if it is the one that an interrupted append of ours wrote."""
        entry = unseal(line, key=self.public)
        if entry.index != len(self) or entry.record.id in self._position:
            raise IntegrityError("the entry is not the next one")
        if not all(p in self._position for p in entry.record.parents):
            raise IntegrityError("a parent is missing")
        self.payload(entry.record)
        return entry

    def _clean(self) -> None:
        """Remove what interrupted writes left: temporary files, and payloads of records that never came to be."""
        known = {self.folder / payload_path(r.payload) for r in self.records()}
        tops = (p for name in (CHECKPOINT, PUBLIC, VERIFIER) for p in self.folder.glob(f".{name}.*"))
        for path in [*tops, *(p for p in payload_files(self.folder) if p not in known)]:
            with storage(path):
                path.unlink(missing_ok=True)

    def _sign(self) -> None:
        assert self._signer is not None  # noqa: S101 - only reached when open for writing
        head = Checkpoint(self.public.name, len(self._tree), self._tree.root(), self._extensions)
        note = sign(head.text, key=self._signer, name=self.public.name)
        write_atomic(self.folder / CHECKPOINT, note)
        self._note = note

    def _write(self, record: Record, data: bytes, signer: Ed25519PrivateKey) -> None:
        """Payload, entry, checkpoint, each on the disk before the next; all undone if the disk says no."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = Entry(record=record, log=self.public.name, index=len(self), recorded_at=now)
        line = seal(entry, key=signer)
        path, length, size = self.folder / payload_path(record.payload), self._length, len(self)
        had = path.is_file() and path.read_bytes() == data
        # Until the end nobody may append: an interrupt in between (Ctrl-C) is put right by opening again.
        self._signer = None
        try:
            if not had:
                write_atomic(path, data)
                disk.sync(path.parent)
            disk.append(self._descriptor, line + b"\n", path=self.folder / ENTRIES)
            self._take(entry, line)
            self._signer = signer
            self._sign()
        except StorageError:
            self._undo(size, length, None if had else path)
            self._signer = signer
            raise

    def _undo(self, size: int, length: int, payload: Path | None) -> None:
        """Forget an append whose checkpoint was not written."""
        with storage(self.folder / ENTRIES):
            os.ftruncate(self._descriptor, length)
        for entry in self._entries[size:]:
            del self._position[entry.record.id]
        del self._entries[size:]
        self._tree.truncate(size)
        self._length = length
        shared = payload is None or any(payload == self.folder / payload_path(r.payload) for r in self.records())
        if payload is not None and not shared:
            payload.unlink(missing_ok=True)


def _check(record: Record) -> None:
    if not record.kind:
        raise DataError("a record needs a kind; write one word, such as 'scores'")
    for name, value in record.labels.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise DataError(f"record '{record.kind}': the label {name!r} must be text, not {value!r}")


def _public(folder: Path, signer: Ed25519PrivateKey) -> PublicKey:
    """The ledger's public key; a new ledger gets a name of its own, so that no two logs are taken for each other."""
    raw, path = signer.public_key().public_bytes_raw(), folder / PUBLIC
    if not path.exists():
        if (folder / CHECKPOINT).exists() or (folder / ENTRIES).stat().st_size:
            raise IntegrityError(f"{path}: the public key of this ledger is missing; put it back from a copy")
        public = PublicKey(f"gnomon/{secrets.token_hex(8)}", raw)
        write_atomic(path, public.text + "\n")
        return public
    public = read_public(folder)
    if public.raw != raw:
        own = PublicKey(public.name, raw).fingerprint
        raise SettingsError(
            f"{folder}: this ledger is signed by the key {public.fingerprint[:16]}…, the key given is {own[:16]}…; "
            "give the file of the first, or choose a new folder"
        )
    return public
