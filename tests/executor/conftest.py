from dataclasses import dataclass, field

import pytest


@dataclass
class Heard:
    """A sink that remembers."""

    numbers: list[tuple[str, float, str, int]] = field(default_factory=list)

    def number(self, name, value, unit, step):
        self.numbers.append((name, value, unit, step))

    def record(self, record):
        raise AssertionError("an executor makes no records")


@pytest.fixture
def heard():
    return Heard()


# A program that runs 8 shards, notes each start, and stops working fast at a given shard.
PROGRAM = """
import os, sys, time
from functools import partial
from pathlib import Path
from gnomon.executor.local import Local
from gnomon.executor.processes import Processes

def task(notes, shard):
    with open(notes, "a") as handle:
        handle.write(f"{shard['n']}\\n")
    time.sleep(60 if shard["n"] >= int(os.environ.get("HANG", "99")) else 0.01)
    return {"square": shard["n"] ** 2, "third": shard["n"] / 3}

if __name__ == "__main__":
    kind, folder, notes = sys.argv[1:]
    executor = {"local": Local, "processes": Processes}[kind](Path(folder))
    for result in executor.map(task=partial(task, notes), shards=[{"n": n} for n in range(8)], key="squares"):
        print(result.key, result.value, result.resumed, flush=True)
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path
