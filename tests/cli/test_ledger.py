"""`gnomon verify` and its neighbours."""

from pathlib import Path

from tests.cli.conftest import STARTER, Gnomon


def test_a_tampered_record_ends_with_4(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> None:
    gnomon("evaluate", STARTER, "--quick", "--model", f"scripted:{parrot}", "--out", "e")
    payloads = (tmp_path / "e" / "evidence" / "payloads").rglob("*.json")
    payload = next(p for p in payloads if b"CEDAR-3052" in p.read_bytes())
    payload.write_bytes(payload.read_bytes().replace(b"CEDAR-3052", b"CEDAR-3053"))
    ran = gnomon("verify", "e")
    assert ran.returncode == 4
    assert "does NOT verify" in ran.stdout


def test_a_second_writer_is_told_to_wait(gnomon: Gnomon, parrot: Path, tmp_path: Path) -> None:
    import fcntl

    arguments = ("evaluate", STARTER, "--quick", "--model", f"scripted:{parrot}", "--out", "e")
    first = gnomon(*arguments)
    log = next((tmp_path / "e" / "evidence" / "log").iterdir())
    with log.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        ran = gnomon(*arguments)
    assert first.returncode == 1
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "another" in ran.stderr
