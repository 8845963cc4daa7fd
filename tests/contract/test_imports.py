"""Every module imports; the light rooms do so where torch, numpy and SQLAlchemy do not exist."""

import importlib
import subprocess
import sys

import pytest

from .test_layers import EXCEPT, LIGHT
from .tree import MODULES, SOURCE, STANDALONE, module, room

BLOCKED = ("torch", "numpy", "transformers", "sqlalchemy", "scipy", "safetensors", "peft", "accelerate")
BLOCKER = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Blocked())
import importlib
for name in {modules!r}:
    importlib.import_module(name)
loaded = sorted(n for n in {names!r} if n in sys.modules)
assert not loaded, loaded
print(len({modules!r}))
"""


@pytest.mark.parametrize("dotted", [m for m in MODULES if m.split(".")[-1] != "__main__"])
def test_every_module_imports(dotted: str) -> None:
    importlib.import_module(dotted)


def test_light_rooms_import_without_the_heavy_packages() -> None:
    modules = [m for m in MODULES if (room(m) in LIGHT or m == "gnomon") and m not in EXCEPT]
    program = BLOCKER.format(names=BLOCKED, modules=modules)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) == len(modules) > 30


def test_the_blocker_blocks() -> None:
    program = BLOCKER.format(names=BLOCKED, modules=["gnomon.core.stats"])
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert "blocked: numpy" in ran.stderr


def test_the_verifier_of_the_bundle_stands_alone() -> None:
    assert STANDALONE.is_relative_to(SOURCE)
    from .tree import imports

    outside = {n.split(".")[0] for n in imports(STANDALONE)} - set(sys.stdlib_module_names)
    assert outside <= {"cryptography"}, f"{module(STANDALONE)} imports {outside}"
