"""The guard and the red team start without the heavy libraries."""

import subprocess
import sys

import pytest

ROOMS = {
    "guard": "gnomon.guard.decide, gnomon.guard.jsonl, gnomon.guard.model, gnomon.guard.latch",
    "redteam": "gnomon.redteam.search, gnomon.redteam.effort, gnomon.redteam.goals",
}


@pytest.mark.parametrize("room", ROOMS)
def test_neither_torch_nor_numpy_nor_sqlalchemy_is_imported(room: str) -> None:
    program = (
        f"import sys, {ROOMS[room]}\nfrom gnomon.core import plugin\n"
        "[plugin.load(kind, name) for kind in ('screen', 'attack') for name in plugin.names(kind)]\n"
        "print(*{'torch', 'numpy', 'scipy', 'sqlalchemy', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
