import ast
import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gnomon.core.canonical import canonical
from gnomon.core.errors import IntegrityError
from gnomon.ledger import Ledger, verify_gnomon
from gnomon.ledger.layout import CHECKPOINT, read_public
from gnomon.ledger.merkle import Tree, leaf_hash
from gnomon.ledger.note import PublicKey, read_checkpoint, sign

SOURCE = Path(verify_gnomon.__file__)


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The copy in the folder, in an interpreter that cannot import Gnomon or anything it brings, but cryptography."""
    block = (
        "import runpy, sys\n"
        "for name in ('gnomon', 'msgspec', 'rfc8785', 'securesystemslib', 'yaml'): sys.modules[name] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", block, str(folder / "verify_gnomon.py"), *more]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_stands_on_the_standard_library_and_cryptography_alone():
    names = set()
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    assert names - sys.stdlib_module_names == {"cryptography"}


def test_it_lies_in_the_folder_and_runs_from_there(evidence):
    assert (evidence / "verify_gnomon.py").read_bytes() == SOURCE.read_bytes()
    done = run(evidence)
    assert done.returncode == 0, done.stderr
    assert "14 entries" in done.stdout
    assert read_public(evidence).fingerprint in done.stdout
    assert "no checkpoint was given" in done.stdout
    assert done.stdout.endswith("The evidence holds.\n")


def test_its_options_and_exit_codes(evidence, tmp_path):
    public = read_public(evidence)
    seen = tmp_path / "seen"
    seen.write_text((evidence / CHECKPOINT).read_text())
    for key in (public.text, public.fingerprint, str(evidence / "public.key")):
        done = run(evidence, str(evidence), "--key", key, "--checkpoint", str(seen))
        assert done.returncode == 0, done.stdout
    assert run(evidence, "--key", "0" * 64).returncode == 4
    assert run(evidence, "--checkpoint", str(evidence / "nothing")).returncode == 2
    assert run(evidence, str(evidence / "nothing")).returncode == 2
    assert run(evidence, "--nothing").returncode == 2
    payload = next(evidence.rglob("payloads/**/*.json"))
    payload.write_bytes(payload.read_bytes() + b" ")
    done = run(evidence)
    assert done.returncode == 4
    assert f"WRONG    payloads/sha256/{payload.parent.name}/{payload.name}: changed" in done.stdout
    assert "does NOT hold" in done.stdout
    assert "Traceback" not in done.stderr


@given(st.lists(st.binary(max_size=3), max_size=40))
def test_its_root_is_the_root(entries):
    leaves = [leaf_hash(e) for e in entries]
    assert verify_gnomon.root_of(leaves) == Tree(leaves).root()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.dictionaries(TEXT, TEXT | st.lists(TEXT) | st.integers(0, 2**53 - 1), max_size=6))
def test_its_canonical_json_is_that_of_rfc_8785(value):
    assert verify_gnomon.jcs(value) == canonical(value)


def test_it_refuses_what_a_statement_cannot_hold():
    with pytest.raises(verify_gnomon.Broken):
        verify_gnomon.jcs(1.5)


def test_labels_in_any_script_verify(tmp_path):
    with Ledger.open(tmp_path / "l") as ledger:
        ledger.append(kind="a", payload=1, labels={"\U0001f600": "\x7f\x00\u2028", "\ufb33": 'a"\\', "é": "\r\n\t"})
    assert run(tmp_path / "l").returncode == 0


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = KEY.public_key().public_bytes_raw()


def vkey(name: str, kind: bytes, raw: bytes) -> str:
    hint = hashlib.sha256(name.encode() + b"\n" + kind + raw).hexdigest()[:8]
    return f"{name}+{hint}+{base64.b64encode(kind + raw).decode()}"


@pytest.mark.parametrize(
    "text",
    [
        vkey("", b"\x01", RAW),
        vkey("a b", b"\x01", RAW),
        vkey("log", b"\x02", RAW),
        vkey("log", b"\x01", RAW + b"\0"),
        vkey("log", b"\x01", RAW[:-1]),
        vkey("log", b"\x01", RAW).replace("+", "-", 1),
        vkey("other", b"\x01", RAW).replace("other", "log"),
        "log+00000000+" + vkey("log", b"\x01", RAW).split("+", 2)[2],
    ],
)
def test_both_refuse_malformed_keys(text):
    assert PublicKey.parse(vkey("log", b"\x01", RAW)).raw == verify_gnomon.public_key(vkey("log", b"\x01", RAW))[2]
    with pytest.raises(IntegrityError):
        PublicKey.parse(text)
    with pytest.raises((verify_gnomon.Broken, ValueError)):
        verify_gnomon.public_key(text)


ROOT = base64.b64encode(b"r" * 32).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"log\n07\n{ROOT}\n",
        f"log\n-7\n{ROOT}\n",
        f"log\n{'9' * 20}\n{ROOT}\n",
        f"log\n٣\n{ROOT}\n",
        "log\n7\nAAAA\n",
        f"log\n7\n{ROOT[:-2]}J=\n",  # the same bytes, spelled otherwise
        f"log\n7\n{ROOT}\n\nmore\n",
        f"log\n7\n{ROOT}\nmo\tre\n",
        f"log\n7\n{ROOT}\nmo\rre\n",
        f"other\n7\n{ROOT}\n",
        "log\n7\n",
    ],
)
def test_both_refuse_malformed_checkpoints_even_if_they_are_signed(text):
    public = PublicKey("log", RAW)
    good = sign(f"log\n7\n{ROOT}\nmore\n", key=KEY, name="log")
    assert (
        read_checkpoint(good, key=public).size
        == verify_gnomon.checkpoint(good, ("log", public.hint, RAW), alone=True)[0]
    )
    note = sign(text, key=KEY, name="log")
    with pytest.raises(IntegrityError):
        read_checkpoint(note, key=public)
    with pytest.raises((verify_gnomon.Broken, ValueError)):
        verify_gnomon.checkpoint(note, ("log", public.hint, RAW), alone=False)


def test_both_refuse_signature_lines_of_another_form():
    public = PublicKey("log", RAW)
    good = sign(f"log\n7\n{ROOT}\n", key=KEY, name="log")
    line = good.split("\n\n")[1]
    stranger = line.replace("— log", "— other")
    assert read_checkpoint(good + stranger, key=public).size == 7  # a witness may have signed, too
    assert verify_gnomon.checkpoint(good + stranger, ("log", public.hint, RAW), alone=False)[0] == 7
    spelled = line[:-3] + chr(ord(line[-3]) + 1) + line[-2:]
    heads = good.split("\n\n")[0] + "\n\n"
    for note, alone in [
        (good + stranger, True),
        (good + line, False),
        (heads + stranger, False),
        (heads + spelled, False),
        (good + "\n", False),
        (good + "junk\n", False),
        (good[:-1], False),
        (good.replace("—", "-"), False),
        (good + "— other not64\n", False),
        (good + "—  AAAA\n", False),
    ]:
        with pytest.raises(IntegrityError):
            read_checkpoint(note, key=public, alone=alone)
        with pytest.raises((verify_gnomon.Broken, ValueError)):
            verify_gnomon.checkpoint(note, ("log", public.hint, RAW), alone=alone)
