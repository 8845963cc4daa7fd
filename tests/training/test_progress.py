import pytest

torch = pytest.importorskip("torch")

from gnomon.training.progress import Pace, peak_memory  # noqa: E402


class Numbers(dict):
    def number(self, name, value, unit, step):
        self.setdefault((name, unit), []).append(value)

    def record(self, record):
        raise AssertionError


def test_pace_counts_this_session_alone(monkeypatch):
    clock = iter([10.0, 12.0, 16.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    sink = Numbers()
    pace = Pace(sink, done=3, steps=8)
    pace.step(4, examples=4, tokens=100)
    pace.step(5, examples=4, tokens=100)
    assert sink.pop(("memory", "GiB"))[0] == pytest.approx(peak_memory() / 2**30, rel=0.1)
    assert sink == {
        ("progress", "share done"): [0.5, 0.625],
        ("speed", "examples/s"): [2.0, 1.0],
        ("tokens", "tokens/s"): [50.0, 25.0],
        ("time_left", "s"): [8.0, 9.0],
    }


def test_peak_memory_holds_what_was_held():
    before = peak_memory()
    held = torch.ones(before // 4)
    assert peak_memory() > before
    del held
    assert peak_memory() > before
