import os
import subprocess
import sys

import pytest

from gnomon.core.protocols import Executor, Result
from gnomon.executor.local import Local
from gnomon.executor.results import result_path, shard_key


def test_results_in_the_order_of_the_shards_and_progress(tmp_path, heard):
    executor: Executor = Local(tmp_path, heard)
    results = list(executor.map(task=lambda s: s * 2, shards=iter([3, 1, 2]), key="double"))
    assert results == [Result(key=shard_key("double", s), value=s * 2) for s in (3, 1, 2)]
    assert heard.numbers == [
        ("shards.total", 3, "shards", 0),
        ("shards.done", 1, "shards", 1),
        ("shards.done", 2, "shards", 2),
        ("shards.done", 3, "shards", 3),
    ]


def test_finished_shards_are_read_back_and_damaged_ones_computed_again(tmp_path):
    calls = []

    def task(shard):
        calls.append(shard)
        return [shard]

    executor = Local(tmp_path)
    first = list(executor.map(task=task, shards=range(4), key="k"))
    result_path(tmp_path, first[2].key).write_bytes(b"damaged")
    again = list(executor.map(task=task, shards=range(5), key="k"))
    assert calls == [0, 1, 2, 3, 2, 4]
    assert [r.resumed for r in again] == [True, True, False, True, False]
    assert [r.value for r in again] == [[0], [1], [2], [3], [4]]
    list(executor.map(task=task, shards=range(1), key="another task"))
    assert calls[-1] == 0


def test_an_error_of_the_task_goes_to_the_caller_and_keeps_what_was_finished(tmp_path):
    results = Local(tmp_path).map(task=lambda s: 1 / s, shards=[2, 0, 1], key="k")
    assert next(results).value == 0.5
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert next(Local(tmp_path).map(task=lambda s: None, shards=[2], key="k")).value == 0.5


def test_nothing_is_run_before_it_is_asked_for(tmp_path):
    calls = []
    results = Local(tmp_path).map(task=calls.append, shards=range(3), key="k")
    next(results)
    assert calls == [0]


def test_killed_and_started_again(tmp_path, program):
    """kill -9 in the middle: the same results, and no finished shard is run again."""
    command = [sys.executable, str(program), "local", str(tmp_path / "r"), str(tmp_path / "notes")]
    whole = subprocess.run(
        [*command[:3], str(tmp_path / "whole"), str(tmp_path / "other")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "HANG": "5"})
    assert child.stdout is not None
    heard = [child.stdout.readline().strip() for _ in range(5)]
    child.kill()
    child.communicate()
    assert heard == whole[:5]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert done == [line.replace(" False", " True") for line in whole[:5]] + whole[5:]
    runs = (tmp_path / "notes").read_text().split()
    assert [runs.count(str(n)) for n in range(5)] == [1] * 5  # those that were finished
    assert [runs.count(str(n)) for n in range(6, 8)] == [1, 1]
