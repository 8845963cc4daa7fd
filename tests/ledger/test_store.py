import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.core import files
from gnomon.core.canonical import canonical, sha256
from gnomon.core.errors import DataError, IntegrityError, SettingsError, StorageError
from gnomon.core.types import Record
from gnomon.ledger import Ledger, disk
from gnomon.ledger.envelope import payload_path
from gnomon.ledger.layout import CHECKPOINT, ENTRIES, PUBLIC
from gnomon.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from gnomon.ledger.note import Checkpoint, read_checkpoint, sign
from gnomon.ledger.verify import failures, verify


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_goes_in_comes_out(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        payload = {"é": [1, 2.5, None, True], "t": (1, 2), "one": 1.0}
        record = ledger.append(kind="scores", payload=payload, labels={"subject": "before"}, settings={"a": 1})
        assert ledger.payload(record) == {"é": [1, 2.5, None, True], "t": [1, 2], "one": 1}
        assert record.payload == sha256(canonical(payload))
        assert len(record.code) == len(record.settings) == 64
    for again in (Ledger.read(tmp_path / "l"), Ledger.open(tmp_path / "l")):
        assert again.get(record.id) == record == again.get(record.id[:8])
        assert again.records() == [record]
        assert again.payload(record)["é"] == [1, 2.5, None, True]
        again.close()


def test_appending_again_gives_the_same_record_and_no_new_entry(tmp_path):
    def work(ledger: Ledger) -> list[str]:
        first = ledger.append(kind="a", payload={"x": 1})
        second = ledger.append(kind="b", payload={"x": 1}, parents=[first.id])
        return [first.id, second.id, ledger.append(kind="a", payload={"x": 1}).id]

    with Ledger.open(tmp_path / "one") as ledger:
        ids = work(ledger)
        assert ids[0] == ids[2]
        assert len(ledger) == 2
    before = tree(tmp_path / "one")
    with Ledger.open(tmp_path / "one") as ledger:
        assert work(ledger) == ids
    assert tree(tmp_path / "one") == before
    with Ledger.open(tmp_path / "two", key=tmp_path / "other.key") as ledger:
        assert work(ledger) == ids  # neither time nor key is part of an id


def test_find_in_log_order_by_labels(evidence):
    ledger = Ledger.read(evidence)
    assert [r.labels["subject"] for r in ledger.find("scores")] == ["before", "step-10", "step-20", "after"]
    assert [r.kind for r in ledger.find("", subject="after")] == ["transcripts", "scores", "attack"]
    assert ledger.find("scores", subject="after", set="train") == []
    assert ledger.find("nothing") == []


def test_ids_by_their_beginning(evidence):
    ledger = Ledger.read(evidence)
    with pytest.raises(DataError, match="no record 'zz'"):
        ledger.get("zz")
    with pytest.raises(DataError, match="no record ''"):
        ledger.get("")
    digit = next(d for d in "0123456789abcdef" if sum(r.id.startswith(d) for r in ledger.records()) > 1)
    with pytest.raises(DataError, match="write more digits"):
        ledger.get(digit)


def test_proofs_against_the_checkpoint(evidence):
    ledger = Ledger.read(evidence)
    head = read_checkpoint(ledger.checkpoint(), key=ledger.public, alone=True)
    lines = (evidence / ENTRIES).read_bytes().splitlines()
    assert head.size == len(lines) == len(ledger) == 14
    for record, line in zip(ledger.records(), lines, strict=True):
        index, proof = ledger.inclusion(record)
        assert verify_inclusion(leaf=leaf_hash(line), index=index, size=head.size, proof=proof, root=head.root)
    with Ledger.open(evidence) as grown:
        grown.append(kind="more", payload=1)
        new = read_checkpoint(grown.checkpoint(), key=grown.public)
        proof = grown.consistency(head.size)
    assert verify_consistency(old=head.size, new=15, old_root=head.root, new_root=new.root, proof=proof)


def test_the_private_key_lies_outside_with_narrow_rights(evidence):
    key = evidence.with_name("evidence.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_bytes().splitlines()[1]
    assert not any(secret in data for data in tree(evidence).values())


def test_another_key_is_refused(evidence):
    with pytest.raises(SettingsError, match="signed by the key"):
        Ledger.open(evidence, key=evidence.with_name("new.key"))


def test_one_writer_and_any_number_of_readers(evidence):
    with Ledger.open(evidence) as ledger:
        with pytest.raises(StorageError, match="another program is writing"):
            Ledger.open(evidence)
        record = ledger.append(kind="more", payload=1)
        assert Ledger.read(evidence).get(record.id) == record
    Ledger.open(evidence).close()


def test_the_lock_holds_between_processes_and_falls_with_them(evidence):
    program = (
        "import sys, time; from pathlib import Path; from gnomon.ledger import Ledger;"
        "l = Ledger.open(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(evidence)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(StorageError, match="another program is writing"):
            Ledger.open(evidence)
    finally:
        child.kill()
        child.communicate()
    Ledger.open(evidence).close()


def test_a_forgotten_ledger_gives_up_its_lock(evidence):
    ledger = Ledger.open(evidence)
    del ledger
    Ledger.open(evidence).close()


def test_reading_and_closed_ledgers_take_nothing(evidence):
    closed = Ledger.open(evidence)
    closed.close()
    for ledger in (closed, Ledger.read(evidence)):
        with pytest.raises(SettingsError, match=r"Ledger\.open"):
            ledger.append(kind="a", payload=1)


def test_what_cannot_be_a_record(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        for wrong in (
            {"kind": "", "payload": 1},
            {"kind": "a", "payload": float("nan")},
            {"kind": "a", "payload": 1, "parents": ["ab" * 32]},
            {"kind": "a", "payload": 1, "labels": {"n": 3}},
        ):
            with pytest.raises(DataError):
                ledger.append(**wrong)
        assert len(ledger) == 0
        ledger.append(kind="a", payload=1)
    assert failures(verify(tmp_path / "l")) == []


def test_a_changed_payload_is_not_given_out(evidence):
    ledger = Ledger.read(evidence)
    record = ledger.find("scores")[0]
    path = evidence / payload_path(record.payload)
    path.write_bytes(path.read_bytes().replace(b"-c1", b"-c9"))
    with pytest.raises(IntegrityError, match="was changed"):
        ledger.payload(record)
    path.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        ledger.payload(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / ENTRIES).write_bytes(b"".join((f / ENTRIES).read_bytes().splitlines(True)[:-1])), "covers 14"),
        (lambda f: (f / ENTRIES).write_bytes((f / ENTRIES).read_bytes()[:-30]), "covers 14"),
        (lambda f: (f / ENTRIES).unlink(), "covers 14"),
        (lambda f: (f / CHECKPOINT).unlink(), "no such file"),
        (lambda f: (f / PUBLIC).unlink(), "public key of this ledger is missing"),
        (lambda f: (f / PUBLIC).write_text("x"), "public key"),
        (lambda f: (f / CHECKPOINT).write_text("x"), "not a signed note"),
        (lambda f: (f / CHECKPOINT).write_bytes(b"\xff"), "UTF-8"),
    ],
)
def test_opening_refuses_what_the_checkpoint_does_not_cover(evidence, change, message):
    change(evidence)
    with pytest.raises((IntegrityError, StorageError), match=message):
        Ledger.open(evidence)
    with pytest.raises((IntegrityError, StorageError)):
        Ledger.read(evidence)


def test_an_edited_entry_is_refused_on_opening(evidence):
    lines = (evidence / ENTRIES).read_bytes().splitlines(True)
    lines[2], lines[3] = lines[3], lines[2]
    (evidence / ENTRIES).write_bytes(b"".join(lines))
    with pytest.raises(IntegrityError, match="whose root"):
        Ledger.open(evidence)


def cut(folder: Path, size: int) -> None:
    """Put back the checkpoint as it was at `size` entries: the state of a kill before a checkpoint was written."""
    with Ledger.open(folder) as ledger:
        root, extensions = ledger._tree.root(size), ledger._extensions
        head = Checkpoint(ledger.public.name, size, root, extensions)
        note = sign(head.text, key=ledger._signer, name=ledger.public.name)
    (folder / CHECKPOINT).write_text(note)


def test_an_entry_without_its_checkpoint_is_kept(evidence):
    ids = [r.id for r in Ledger.read(evidence).records()]
    cut(evidence, 13)
    assert failures(verify(evidence))
    assert len(Ledger.read(evidence)) == 13
    with Ledger.open(evidence) as ledger:
        assert [r.id for r in ledger.records()] == ids
    assert failures(verify(evidence)) == []


@pytest.mark.parametrize("keep", [1, 100, 500, -1])
def test_a_torn_entry_is_dropped(evidence, keep):
    *lines, last = (evidence / ENTRIES).read_bytes().splitlines(True)
    cut(evidence, 13)
    (evidence / ENTRIES).write_bytes(b"".join(lines) + last[:keep])
    with Ledger.open(evidence) as ledger:
        assert len(ledger) == 13
        ledger.append(kind="next", payload=2)
    assert failures(verify(evidence)) == []
    assert len(Ledger.read(evidence)) == 14


@pytest.mark.parametrize("tail", [b"\0" * 40, b"\0" * 40 + b"\n", b"{}\n", b"\n"])
def test_a_torn_tail_after_a_power_cut_is_dropped(evidence, tail):
    whole = (evidence / ENTRIES).read_bytes()
    (evidence / ENTRIES).write_bytes(whole + tail)
    assert failures(verify(evidence))
    Ledger.open(evidence).close()
    assert (evidence / ENTRIES).read_bytes() == whole
    assert failures(verify(evidence)) == []


def test_a_repeated_entry_does_not_become_part_of_the_log(evidence):
    whole = (evidence / ENTRIES).read_bytes()
    (evidence / ENTRIES).write_bytes(whole + whole.splitlines(True)[4])
    with Ledger.open(evidence) as ledger:
        assert len(ledger) == 14
    (evidence / ENTRIES).write_bytes(whole + b"".join(whole.splitlines(True)[4:6]))
    with pytest.raises(IntegrityError, match="not the next one"):
        Ledger.open(evidence)


def test_leftovers_of_interrupted_writes_are_cleared(evidence):
    before = tree(evidence)
    folder = next((evidence / "payloads/sha256").iterdir())
    (folder / ("ab" * 32 + ".json")).write_text("{}")
    (folder / ".x.json.tmp").write_text("half")
    (evidence / ".checkpoint.abc").write_text("half")
    assert failures(verify(evidence))
    Ledger.open(evidence).close()
    assert tree(evidence) == before


def test_an_older_verifier_is_replaced_and_signed(evidence, monkeypatch):
    from gnomon.ledger import store

    monkeypatch.setattr(store, "verifier_source", lambda: b"# the next version\n")
    with Ledger.open(evidence) as ledger:
        assert len(ledger) == 14
    assert failures(verify(evidence)) == []
    assert (evidence / "verify_gnomon.py").read_bytes() == b"# the next version\n"


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["payload", "entry", "half an entry", "checkpoint"])
def test_a_full_disk_leaves_the_ledger_as_it_was(evidence, monkeypatch, step):
    before = tree(evidence)
    ledger = Ledger.open(evidence)
    real_write, real_append = files.write_atomic, disk.append

    def write_atomic(path, data, **more):
        if path.name == CHECKPOINT if step == "checkpoint" else step == "payload":
            with files.storage(path):
                raise FULL
        real_write(path, data, **more)

    def append(descriptor, data, *, path):
        if step == "half an entry":
            real_append(descriptor, data[:100], path=path)
        if "entry" in step:
            with files.storage(path):
                raise FULL
        real_append(descriptor, data, path=path)

    with monkeypatch.context() as patch:
        patch.setattr("gnomon.ledger.store.write_atomic", write_atomic)
        patch.setattr(disk, "append", append)
        with pytest.raises(StorageError, match="the disk is full"):
            ledger.append(kind="more", payload={"new": 1})
    assert tree(evidence) == before
    record = ledger.append(kind="more", payload={"new": 1})  # space was made
    assert ledger.records()[-1] == record
    ledger.close()
    assert failures(verify(evidence)) == []
    assert len(Ledger.read(evidence)) == 15


def test_the_operating_system_says_that_the_disk_is_full(evidence, monkeypatch):
    before = tree(evidence)
    with Ledger.open(evidence) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
            with pytest.raises(StorageError, match="the disk is full"):
                ledger.append(kind="more", payload={"new": 1})
        assert tree(evidence) == before


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full(small_disk, tmp_path):
    folder = small_disk / "l"
    with Ledger.open(folder, key=tmp_path / "key") as ledger:
        with pytest.raises(StorageError, match="the disk is full"):
            [ledger.append(kind="a", payload={"i": i, "text": "x" * 3000}) for i in range(100)]
        written = len(ledger)
        assert written > 3
        assert failures(verify(folder)) == []
    with Ledger.open(folder, key=tmp_path / "key") as ledger:
        assert len(ledger) == written
        with pytest.raises(StorageError, match="the disk is full"):
            ledger.append(kind="big", payload="y" * 200_000)
        assert len(ledger) == written
    assert failures(verify(folder)) == []


WRITER = """
import sys
from pathlib import Path
from gnomon.ledger import Ledger
with Ledger.open(Path(sys.argv[1]), key=Path(sys.argv[2])) as ledger:
    parent = ()
    for i in range(40):
        record = ledger.append(kind="a", payload={"i": i, "text": "x" * 500}, parents=parent)
        parent = (record.id,)
        print(record.id, flush=True)
"""


def test_kill_nine_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path):
    (tmp_path / "writer.py").write_text(WRITER)
    command = [sys.executable, str(tmp_path / "writer.py"), str(tmp_path / "l"), str(tmp_path / "key")]
    whole = subprocess.run(
        [*command[:2], str(tmp_path / "whole"), str(tmp_path / "key")], capture_output=True, text=True, check=True
    ).stdout.split()
    random_delays = random.Random(7)
    for _ in range(5):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        heard = [child.stdout.readline().strip()]
        time.sleep(random_delays.random() * 0.08)
        child.send_signal(signal.SIGKILL)
        heard += child.communicate()[0].split("\n")
        heard = [h for h in heard if len(h) == 64]
        with Ledger.open(tmp_path / "l", key=tmp_path / "key") as ledger:
            ids = [r.id for r in ledger.records()]
        assert ids == whole[: len(ids)]
        assert set(heard) <= set(ids)
        assert failures(verify(tmp_path / "l")) == []
    subprocess.run(command, check=True, capture_output=True)
    assert [r.id for r in Ledger.read(tmp_path / "l").records()] == whole


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_killed_between_any_two_bytes(original, tmp_path_factory, data):
    """The state on disk after a kill: a prefix of the last entry, with the checkpoint before it."""
    folder = tmp_path_factory.mktemp("kill") / "evidence"
    shutil.copytree(original, folder)
    shutil.copy(original.with_name("evidence.key"), folder.with_name("evidence.key"))
    cut(folder, 13)
    *lines, last = (folder / ENTRIES).read_bytes().splitlines(True)
    keep = data.draw(st.integers(0, len(last)))
    (folder / ENTRIES).write_bytes(b"".join(lines) + last[:keep])
    with Ledger.open(folder) as ledger:
        assert len(ledger) == (14 if keep == len(last) else 13)
    assert failures(verify(folder)) == []


def test_killed_while_it_was_made(tmp_path):
    with Ledger.open(tmp_path / "l"):
        pass
    made = tree(tmp_path / "l")
    for missing in (["checkpoint"], ["checkpoint", "verify_gnomon.py"], ["checkpoint", "public.key"], list(made)):
        for name in missing:
            (tmp_path / "l" / name).unlink(missing_ok=True)
        with Ledger.open(tmp_path / "l") as ledger:
            assert len(ledger) == 0
        assert set(tree(tmp_path / "l")) == set(made)


def test_an_interrupt_between_entry_and_checkpoint_is_put_right_by_opening_again(evidence, monkeypatch):
    real = disk.append

    def interrupted(descriptor, data, *, path):
        real(descriptor, data, path=path)
        raise KeyboardInterrupt

    ledger = Ledger.open(evidence)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.append(kind="more", payload=1)
    with pytest.raises(SettingsError):  # what is on the disk is ahead of what this object knows
        ledger.append(kind="more", payload=2)
    ledger.close()
    with Ledger.open(evidence) as again:
        assert len(again) == 15
        assert again.records()[-1].kind == "more"
    assert failures(verify(evidence)) == []


def test_payloads_without_a_log_are_not_thrown_away(evidence):
    (evidence / ENTRIES).unlink()
    (evidence / CHECKPOINT).unlink()
    before = {name for name in tree(evidence) if name.startswith("payloads")}
    with pytest.raises(IntegrityError, match="put these back"):
        Ledger.open(evidence)
    assert before <= set(tree(evidence))


def test_a_record_is_the_same_whoever_makes_it(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        record = ledger.append(kind="a", payload=[1])
    assert record.id == Record(kind="a", payload=sha256(b"[1]"), code=record.code).id


def test_no_sql_is_needed(tmp_path):
    program = (
        "import sys; sys.modules['sqlalchemy'] = None; from pathlib import Path; from gnomon.ledger import Ledger;"
        "l = Ledger.open(Path(sys.argv[1])); l.append(kind='a', payload=1, labels={'b': 'c'});"
        "assert len(l.find('a', b='c')) == 1; assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "l")], check=True)
