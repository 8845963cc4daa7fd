"""What both sides of a comparison measure with: wall and processor time, peak memory, and a sign of life of others."""

import os
import time
from pathlib import Path


def peak_mib() -> int:
    """Most memory that this process has held since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(round(int(line.split()[1]) / 1024) for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    """Begin a new peak, so that loading a model does not count."""
    Path("/proc/self/clear_refs").write_text("5")


class Steps:
    """Times at the end of every step; the first step warms up and does not count."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []
        self.peaks: list[int] = []

    def end(self) -> None:
        """A step has ended."""
        self.peaks.append(peak_mib())  # before the next step begins: storing the result at the end does not count
        self.ends.append((time.perf_counter(), time.process_time()))
        if len(self.ends) == 1:
            forget_peak()

    def result(self, count: int) -> dict[str, float]:
        """Seconds and processor seconds a step, over `count` steps after the first."""
        (w0, c0), (w1, c1) = self.ends[0], self.ends[count]
        walls = [b[0] - a[0] for a, b in zip(self.ends[:count], self.ends[1 : count + 1], strict=True)]
        return {
            "s_per_step": round((w1 - w0) / count, 3),
            "fastest_step_s": round(min(walls), 3),
            "cpu_s_per_step": round((c1 - c0) / count, 3),
            "peak_mib": self.peaks[count],
            "load": round(os.getloadavg()[0], 2),
        }
