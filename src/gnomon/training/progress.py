"""How fast a run goes and when it will end: examples and tokens a second, time left, peak memory.

It measures and reports; it decides nothing and changes no numbers.
Units: seconds; GiB (2^30 bytes); tokens are those that the model computes: no padding, a shared prefix once.
"""

import resource
import sys
import time
from pathlib import Path

import torch

from gnomon.core.protocols import Sink

STATUS = Path("/proc/self/status")


class Pace:
    """The clock of one session of a run: made where it begins, told of each step as it ends."""

    def __init__(self, sink: Sink, *, done: int, steps: int) -> None:
        self._sink, self._first, self._steps = sink, done, steps
        self._began = self._last = time.perf_counter()

    def step(self, step: int, *, examples: int, tokens: int) -> None:
        """Report a step that has just ended, and what is left at the pace of this session so far."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        a_step = (now - self._began) / (step - self._first)
        self._sink.number("progress", step / self._steps, "share done", step)
        self._sink.number("speed", examples / took, "examples/s", step)
        self._sink.number("tokens", tokens / took, "tokens/s", step)
        self._sink.number("time_left", a_step * (self._steps - step), "s", step)
        self._sink.number("memory", peak_memory() / 2**30, "GiB", step)


def peak_memory() -> int:
    """Most bytes that this process has held: of the accelerator's memory if it uses one, else of main memory."""
    if torch.cuda.is_available() and torch.cuda.memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    if STATUS.exists():  # where it does, `getrusage` starts at the peak of the process that started this one
        return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
