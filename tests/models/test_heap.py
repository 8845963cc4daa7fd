import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
from gnomon.models import heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        block = ctypes.create_string_buffer(30_000_000)
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert heap.keep()
first, second = faults(), faults()
assert second < 100 < first, (first, second)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_memory_that_was_freed_is_found_again():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_elsewhere_it_does_nothing(monkeypatch):
    from gnomon.models import heap

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not heap.keep()
