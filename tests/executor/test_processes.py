import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gnomon.core.canonical import digest
from gnomon.core.errors import GnomonError, SettingsError
from gnomon.core.protocols import Executor
from gnomon.executor.local import Local
from gnomon.executor.processes import Processes


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_results_as_local_byte_for_byte(tmp_path, heard):
    shards = [{"n": n, "text": "é" * n} for n in range(12)]
    executor: Executor = Processes(tmp_path / "p", heard, workers=2)
    ours = list(executor.map(task=digest, shards=shards, key=["digest", 1]))
    assert ours == list(Local(tmp_path / "l").map(task=digest, shards=shards, key=["digest", 1]))
    assert contents(tmp_path / "p") == contents(tmp_path / "l")
    assert heard.numbers[0] == ("shards.total", 12, "shards", 0)
    assert [n[1] for n in heard.numbers[1:]] == list(range(1, 13))
    # and each reads what the other has finished
    assert all(r.resumed for r in Processes(tmp_path / "l").map(task=digest, shards=shards, key=["digest", 1]))
    assert all(r.resumed for r in Local(tmp_path / "p").map(task=digest, shards=shards, key=["digest", 1]))


def test_an_error_of_the_task_goes_to_the_caller(tmp_path):
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        list(Processes(tmp_path).map(task=math.sqrt, shards=[4, -1, 9], key="sqrt"))
    assert [r.value for r in Local(tmp_path).map(task=math.sqrt, shards=[4], key="sqrt")] == [2]


def test_a_worker_that_dies_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(GnomonError, match="a worker process died"):
        list(Processes(tmp_path, workers=1).map(task=os._exit, shards=[3], key="exit"))


def test_no_workers(tmp_path):
    with pytest.raises(SettingsError, match="at least 1"):
        list(Processes(tmp_path, workers=0).map(task=digest, shards=[1], key="k"))


def alive(folder: Path) -> list[int]:
    """Processes that run the program in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = os.readlink(entry / "cwd")
            except OSError:
                continue
            if where == str(folder):
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for the workers in /proc")
def test_killed_and_started_again(tmp_path, program):
    """kill -9 of the program: the same results, no finished shard is run again, and no worker stays behind."""
    command = [sys.executable, str(program), "processes", str(tmp_path / "r"), str(tmp_path / "notes")]
    whole = subprocess.run(
        [*command[:2], "local", str(tmp_path / "whole"), str(tmp_path / "other")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    (tmp_path / "here").mkdir()
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "HANG": "5"}, cwd=tmp_path / "here"
    )
    assert child.stdout is not None
    heard = [child.stdout.readline().strip() for _ in range(5)]
    assert len(alive(tmp_path / "here")) >= 3
    child.kill()
    child.communicate()
    assert heard == whole[:5]
    until = time.monotonic() + 10
    while alive(tmp_path / "here") and time.monotonic() < until:
        time.sleep(0.05)
    assert alive(tmp_path / "here") == []
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert done == [line.replace(" False", " True") for line in whole[:5]] + whole[5:]
    runs = (tmp_path / "notes").read_text().split()
    assert [runs.count(str(n)) for n in range(5)] == [1] * 5
    assert contents(tmp_path / "r") == contents(tmp_path / "whole")
