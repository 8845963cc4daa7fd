"""Every way of tampering that we could think of, held against both verifiers."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.core.canonical import canonical, sha256
from gnomon.core.errors import StorageError
from gnomon.core.types import Record
from gnomon.ledger import Ledger, verify_gnomon
from gnomon.ledger.envelope import PAYLOAD_TYPE, Entry, pae, parse, payload_path, seal
from gnomon.ledger.keys import load
from gnomon.ledger.layout import CHECKPOINT, ENTRIES, PUBLIC, VERIFIER, read_public, verifier_line, verifier_source
from gnomon.ledger.merkle import Tree, leaf_hash
from gnomon.ledger.note import Checkpoint, PublicKey, sign, unbase64
from gnomon.ledger.verify import failures, verify

FILES = [ENTRIES, CHECKPOINT, PUBLIC, VERIFIER]


def verdicts(folder: Path, *, note: str | None = None, key: str | None = None) -> tuple[bool, bool]:
    """Whether the package's verifier and the single-file one accept the folder."""
    arguments = [str(folder)] + (["--key", key] if key is not None else [])
    if note is not None:
        (folder.parent / "seen").write_text(note)
        arguments += ["--checkpoint", str(folder.parent / "seen")]
    code = verify_gnomon.main(arguments)
    assert code in (0, 4)
    return not failures(verify(folder, trusted_checkpoint=note, trusted_key=key)), code == 0


def holds(folder: Path, **trusted: str) -> bool:
    both = verdicts(folder, **trusted)
    assert both == (True, True), failures(verify(folder))
    return True


def caught(folder: Path, **trusted: str) -> bool:
    both = verdicts(folder, **trusted)
    assert both == (False, False), f"accepted by {'the package' if both[0] else ''} {'the file' if both[1] else ''}"
    return True


def lines_of(folder: Path) -> list[bytes]:
    return (folder / ENTRIES).read_bytes().splitlines(True)


def write_lines(folder: Path, lines: list[bytes]) -> None:
    (folder / ENTRIES).write_bytes(b"".join(lines))


def checkpoint(folder: Path, key: Ed25519PrivateKey, size: int | None = None) -> str:
    """A checkpoint of the log as it lies there, signed by any key."""
    lines = lines_of(folder)[:size]
    tree = Tree(leaf_hash(line.removesuffix(b"\n")) for line in lines)
    name = read_public(folder).name
    head = Checkpoint(name, len(lines), tree.root(), (verifier_line(verifier_source()),))
    return sign(head.text, key=key, name=name)


def remake(folder: Path, key: Ed25519PrivateKey, change: Callable[[list[Entry]], list[Entry]]) -> None:
    """What somebody who holds a key can do: change entries, sign all of it again."""
    entries = change([parse(line.removesuffix(b"\n"))[0] for line in lines_of(folder)])
    write_lines(folder, [seal(e, key=key) + b"\n" for e in entries])
    (folder / CHECKPOINT).write_text(checkpoint(folder, key))


def own_key(folder: Path) -> Ed25519PrivateKey:
    return load(folder.with_name("evidence.key"))


def test_an_honest_ledger_holds(evidence):
    public, note = read_public(evidence), (evidence / CHECKPOINT).read_text()
    assert holds(evidence)
    assert holds(evidence, note=note, key=public.text)
    assert holds(evidence, key=public.fingerprint)
    with Ledger.open(evidence) as ledger:
        ledger.append(kind="more", payload=1)
    assert holds(evidence, note=note, key=public.fingerprint)


def test_it_says_what_it_cannot_know(evidence):
    told = " ".join(f.message for f in verify(evidence) if f.level == "information")
    assert "no external checkpoint was given" in told
    assert f"{read_public(evidence).fingerprint}: compare it" in told
    assert "14 entries" in told
    told = " ".join(f.message for f in verify(evidence, trusted_checkpoint=(evidence / CHECKPOINT).read_text()))
    assert "no external checkpoint" not in told


def test_a_missing_folder_is_not_a_verdict(tmp_path):
    with pytest.raises(StorageError, match="no such folder"):
        verify(tmp_path / "nothing")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_caught(evidence, data):
    files = FILES + sorted(str(p.relative_to(evidence)) for p in evidence.rglob("payloads/**/*.json"))
    path = evidence / data.draw(st.sampled_from(files))
    before = path.read_bytes()
    position, mask = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(1, 255))
    try:
        path.write_bytes(before[:position] + bytes([before[position] ^ mask]) + before[position + 1 :])
        assert caught(evidence)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", [CHECKPOINT, PUBLIC])
def test_every_single_byte_of_the_small_files(evidence, name):
    before = (evidence / name).read_bytes()
    for position in range(len(before)):
        for mask in (1, 2, 3, 4, 0x20):
            (evidence / name).write_bytes(before[:position] + bytes([before[position] ^ mask]) + before[position + 1 :])
            assert caught(evidence)
    for longer in (before + b"\n", before + b" ", b"\n" + before, before[:-1], b"", before + before):
        (evidence / name).write_bytes(longer)
        assert caught(evidence)


@pytest.mark.parametrize("line", range(14))
def test_dropped_duplicated_and_moved_entries(evidence, line):
    lines = lines_of(evidence)
    for changed in (
        lines[:line] + lines[line + 1 :],
        [*lines[: line + 1], *lines[line:]],
        [*lines, lines[line]],
        [lines[line], *lines[:line], *lines[line + 1 :], b"\n"],
        [*lines[:line], *lines[line + 1 :], lines[(line + 1) % 14]],
        lines[:line],
        [*lines[:line], lines[line][:-1]],
        [*lines[:line], b"\n", *lines[line:]],
    ):
        write_lines(evidence, changed)
        assert caught(evidence)


def test_an_unchanged_log_is_not_blamed(evidence):
    write_lines(evidence, lines_of(evidence))
    assert holds(evidence)


@pytest.mark.parametrize("size", range(14))
def test_an_earlier_state_put_back_whole_is_caught_by_a_checkpoint_kept_elsewhere(evidence, size):
    note, old = (evidence / CHECKPOINT).read_text(), checkpoint(evidence, own_key(evidence), size)
    with Ledger.open(evidence) as ledger:
        gone = {r.payload for r in ledger.records()[size:]} - {r.payload for r in ledger.records()[:size]}
    write_lines(evidence, lines_of(evidence)[:size])
    (evidence / CHECKPOINT).write_text(old)
    for digest in gone:
        (evidence / payload_path(digest)).unlink()
    if size:
        assert holds(evidence)  # it agrees with itself: this is why a checkpoint must be kept elsewhere
    assert caught(evidence, note=note)


def test_an_older_or_other_checkpoint(evidence, tmp_path):
    key = own_key(evidence)
    note = (evidence / CHECKPOINT).read_text()
    (evidence / CHECKPOINT).write_text(checkpoint(evidence, key, 9))
    assert caught(evidence)
    with Ledger.open(tmp_path / "other", key=evidence.with_name("evidence.key")) as other:
        other.append(kind="a", payload=1)
        strange = other.checkpoint()
    (evidence / CHECKPOINT).write_text(strange)
    assert caught(evidence)
    (evidence / CHECKPOINT).write_text(note)
    assert holds(evidence, note=note)
    assert caught(evidence, note=strange)
    assert caught(evidence, note="no checkpoint")
    assert caught(evidence, note=note.replace("14", "13"))


def test_the_log_rewritten_by_its_own_key_is_caught_by_a_checkpoint_kept_elsewhere(evidence):
    note = (evidence / CHECKPOINT).read_text()

    def later(entries):
        return [
            Entry(record=e.record, log=e.log, index=e.index, recorded_at="1999-01-01T00:00:00.000Z") for e in entries
        ]

    remake(evidence, own_key(evidence), later)
    assert holds(evidence)
    assert caught(evidence, note=note)


def test_signed_anew_by_another_key_is_caught_by_the_key_kept_elsewhere(evidence):
    old, key = read_public(evidence), Ed25519PrivateKey.generate()
    new = PublicKey(old.name, key.public_key().public_bytes_raw())
    (evidence / PUBLIC).write_text(new.text + "\n")
    assert caught(evidence)
    remake(evidence, key, lambda entries: entries)
    assert holds(evidence)  # it agrees with itself: this is why the fingerprint must be compared
    assert holds(evidence, key=new.fingerprint)
    assert caught(evidence, key=old.fingerprint)
    assert caught(evidence, key=old.text)


@pytest.mark.parametrize("parts", [["entries"], ["checkpoint"], ["entries", "checkpoint"], ["one entry"]])
def test_parts_signed_anew_by_another_key(evidence, parts):
    lines, note, key = lines_of(evidence), (evidence / CHECKPOINT).read_text(), Ed25519PrivateKey.generate()
    remake(evidence, key, lambda entries: entries)
    if "one entry" in parts:
        write_lines(evidence, [*lines[:5], lines_of(evidence)[5], *lines[6:]])
        (evidence / CHECKPOINT).write_text(checkpoint(evidence, own_key(evidence)))
    elif "entries" not in parts:
        write_lines(evidence, lines)
    if "checkpoint" not in parts and "one entry" not in parts:
        (evidence / CHECKPOINT).write_text(note)
    assert caught(evidence)


@pytest.mark.parametrize("field", ["kind", "payload", "labels", "parents", "code", "settings"])
def test_an_edited_field_of_a_record(evidence, field):
    """The statement is edited in place; the log and even the checkpoint are made to fit by somebody with the key."""
    lines = lines_of(evidence)
    envelope = json.loads(lines[6])
    statement = json.loads(unbase64(envelope["payload"], what=""))
    value = {"labels": {"subject": "other"}, "parents": []}.get(field, "ef" * 32)
    statement["predicate"][field] = value
    envelope["payload"] = base64.b64encode(canonical(statement)).decode()
    lines[6] = canonical(envelope) + b"\n"
    write_lines(evidence, lines)
    assert caught(evidence)
    (evidence / CHECKPOINT).write_text(checkpoint(evidence, own_key(evidence)))
    assert caught(evidence)


def test_lies_by_the_holder_of_the_key_about_order_and_parents(evidence):
    """Even with the key: what a well-formed log cannot hold is refused."""
    key, note, lines = own_key(evidence), (evidence / CHECKPOINT).read_text(), lines_of(evidence)

    def at(entries, order):
        return [
            Entry(record=entries[o].record, log=entries[o].log, index=i, recorded_at="") for i, o in enumerate(order)
        ]

    changes = [
        lambda e: at(e, [0, 2, 1, *range(3, 14)]),  # a parent after its child
        lambda e: at(e, [*range(14), 3]),  # a record twice
        lambda e: at(e, [0, *range(2, 14)]),  # a parent that is gone
        lambda e: [e[0], e[1], e[3], e[2], *e[4:]],  # entries at another place than they were signed for
        lambda e: [*e[:11], e[12], e[11], e[13]],  # the same, where no parent tells
        lambda e: [*e[:13], Entry(record=e[13].record, log="gnomon/other", index=13, recorded_at="")],
        lambda e: [*e[:13], Entry(record=Record(kind="a", payload="../../x"), log=e[0].log, index=13, recorded_at="")],
        lambda e: [*e[:13], Entry(record=Record(kind="a", payload="ab" * 32), log=e[0].log, index=13, recorded_at="")],
        lambda e: [],
    ]
    for change in changes:
        remake(evidence, key, change)
        assert caught(evidence)
        write_lines(evidence, lines)
    (evidence / CHECKPOINT).write_text(note)
    assert holds(evidence)


def test_payloads_swapped_deleted_added_renamed(evidence):
    digests = sorted({r.payload for r in Ledger.read(evidence).records()})
    assert len(digests) >= 12
    one, two = (evidence / payload_path(d) for d in digests[:2])
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert caught(evidence)
    two.write_bytes(second)
    assert caught(evidence)
    one.unlink()
    assert caught(evidence)
    one.symlink_to(two)
    assert caught(evidence)
    one.unlink()
    one.write_bytes(first + b" ")
    assert caught(evidence)
    one.write_bytes(first)
    assert holds(evidence)
    for extra in (one.with_name("extra.json"), evidence / payload_path(sha256(b"1")), evidence / "payloads/x"):
        extra.parent.mkdir(exist_ok=True)
        extra.write_bytes(b"1")
        assert caught(evidence)
        extra.unlink()
    assert holds(evidence)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_emptied_or_foreign_file(evidence, tmp_path, name):
    with Ledger.open(tmp_path / "other") as other:
        other.append(kind="a", payload=1)
    before = (evidence / name).read_bytes()
    (evidence / name).unlink()
    assert caught(evidence)
    (evidence / name).mkdir()
    assert caught(evidence)
    (evidence / name).rmdir()
    for data in (b"", b"\xff\xfe", before[: len(before) // 2], before * 2):
        (evidence / name).write_bytes(data)
        assert caught(evidence)
    if name != VERIFIER:
        shutil.copy(tmp_path / "other" / name, evidence / name)
        assert caught(evidence)
    (evidence / name).write_bytes(before)
    assert holds(evidence)


def test_an_entry_of_another_ledger_of_the_same_key(evidence, tmp_path):
    with Ledger.open(tmp_path / "other", key=evidence.with_name("evidence.key")) as other:
        for i in range(15):
            other.append(kind="charter", payload={"name": "helpdesk", "digest": "ab" * 32}, labels={"i": str(i)})
    lines = lines_of(evidence)
    for i in range(14):
        write_lines(evidence, [*lines[:i], lines_of(tmp_path / "other")[i], *lines[i + 1 :]])
        (evidence / CHECKPOINT).write_text(checkpoint(evidence, own_key(evidence)))
        assert caught(evidence)
    write_lines(evidence, [*lines, lines_of(tmp_path / "other")[14]])
    (evidence / CHECKPOINT).write_text(checkpoint(evidence, own_key(evidence)))
    assert caught(evidence)


def test_the_empty_ledger_is_evidence_of_nothing(tmp_path):
    Ledger.open(tmp_path / "l").close()
    assert caught(tmp_path / "l")
    assert "is empty" in failures(verify(tmp_path / "l"))[0].message


def test_the_index_and_other_files_beside_the_log_do_not_matter(evidence):
    (evidence / "index.sqlite").write_bytes(b"broken")
    (evidence / "report.html").write_text("a report")
    assert holds(evidence)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200), name=st.sampled_from(FILES[:3]), position=st.integers(0, 400))
def test_rubbish_in_any_file_is_a_finding_and_not_a_crash(evidence, raw, name, position):
    before = (evidence / name).read_bytes()
    changed = before[:position] + raw + before[position + len(raw) :]
    try:
        (evidence / name).write_bytes(changed)
        if changed != before:
            assert caught(evidence)
    finally:
        (evidence / name).write_bytes(before)


def sealed(folder: Path, statement: object, **envelope: object) -> bytes:
    """An envelope by the ledger's key around anything."""
    key = own_key(folder)
    body = statement if isinstance(statement, bytes) else canonical(statement)
    signature = base64.b64encode(key.sign(pae(body))).decode()
    whole = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": read_public(folder).fingerprint, "sig": signature}],
    }
    return canonical({**whole, **envelope})


def put_last(folder: Path, line: bytes) -> None:
    """Replace the last entry, and sign a checkpoint over it: only the form can tell."""
    write_lines(folder, [*lines_of(folder)[:13], line + b"\n"])
    (folder / CHECKPOINT).write_text(checkpoint(folder, own_key(folder)))


@pytest.mark.parametrize(
    "statement",
    [None, 1, [], {}, {"predicate": 1}, {"predicate": {"log": 1}}, "x", {"predicate": {"labels": []}}, b"[" * 50_000],
)
def test_signed_rubbish_is_a_finding_and_not_a_crash(evidence, statement):
    put_last(evidence, sealed(evidence, statement))
    assert caught(evidence)


CHANGES = {
    "statement": [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "urn:gnomon:record:v2"},
        {"subject": []},
        {"subject": [{"name": "x", "digest": {"sha256": "ab" * 32}}]},
        {"more": "x"},
    ],
    "predicate": [
        {"more": "x"},
        {"code": None},
        {"labels": {"a": None}},
        {"labels": {"a": 1}},
        {"labels": []},
        {"parents": ""},
        {"parents": {}},
        {"kind": 7},
        {"settings": ["x"]},
        {"recordedAt": 7},
        {"index": "13"},
        {"index": 14},
        {"log": "gnomon/other"},
        {"payload": "AB" * 32},
    ],
}


@pytest.mark.parametrize(("part", "change"), [(part, change) for part, all_ in CHANGES.items() for change in all_])
def test_a_signed_statement_of_another_form(evidence, part, change):
    statement = json.loads(parse(lines_of(evidence)[13][:-1])[1])
    put_last(evidence, sealed(evidence, statement))
    assert holds(evidence)
    target = statement if part == "statement" else statement["predicate"]
    target.update(change)
    put_last(evidence, sealed(evidence, statement))
    assert caught(evidence)
    target.pop(next(iter(change)))
    put_last(evidence, sealed(evidence, statement))
    assert caught(evidence) if next(iter(change)) != "more" else holds(evidence)


def test_a_signed_envelope_of_another_form(evidence):
    body = parse(lines_of(evidence)[13][:-1])[1]
    good = sealed(evidence, body)
    signature = json.loads(good)["signatures"][0]
    for wrong in (
        sealed(evidence, body, more="x"),
        sealed(evidence, body, payloadType="text/plain"),
        sealed(evidence, body, signatures=[]),
        sealed(evidence, body, signatures=[signature, signature]),
        sealed(evidence, body, signatures=[{**signature, "more": "x"}]),
        sealed(evidence, body, signatures=[{**signature, "keyid": "other"}]),
        sealed(evidence, body, signatures=[{"sig": signature["sig"]}]),
        json.dumps(json.loads(good)).encode(),
        b" " + good,
        good[:-1] + b',"payloadType":"' + PAYLOAD_TYPE.encode() + b'"}',
        sealed(evidence, json.dumps(json.loads(body)).encode()),
        sealed(evidence, body + b" "),
        b"[" * 50_000,
    ):
        put_last(evidence, wrong)
        assert caught(evidence)
    put_last(evidence, good)
    assert holds(evidence)
