"""Samples a second of our engine beside Inspect's, against an endpoint that answers after 50 ms, and our memory.

    python benchmarks/engine_vs_inspect.py [--json] [--quick] [--turns N]

The endpoint is a process of its own on a core of its own, a bare asyncio protocol with one fixed reply. Each engine has
one core (sched_setaffinity), the same number of samples and of connections, in turns: ours as `measure` (asked, stored,
scored, signed records), Inspect as `eval` of a task with `includes()`, its log in a temporary folder, no display, no
real-time log. Imports are not counted. The endpoint counts requests: exactly one a sample, or the run is void.
Memory: resident set of our process while items come from a generator, through the endpoint and through a model in the
process. With --quick: one turn, and 200,000 samples through the endpoint instead of 1,000,000.
Units: samples a second of wall time; CPU of the engine's process in microseconds a sample; MB are 10^6 bytes.
Exit status: 0 when ours is at least 3 times as fast everywhere and memory grows by less than 20 MB, else 1.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LATENCY = 0.05
CONCURRENCY = (200, 1000)
SAMPLES, TURNS = 6000, 3
QUICK_SAMPLES, QUICK_TURNS = 2000, 1
LONG, QUICK_LONG, INSIDE = 1_000_000, 200_000, 1_000_000
LEAST_RATIO, MOST_GROWTH_MB = 3.0, 20.0
ENGINE_CORE, ENDPOINT_CORE = 0, -1

MESSAGE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "The answer is 42."}}
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
REPLY = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": [MESSAGE], "usage": USAGE}
BODY = json.dumps(REPLY).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Completions(asyncio.Protocol):
    """One connection; requests on it come one after another."""

    answered = 0
    latency = LATENCY

    def connection_made(self, transport: Any) -> None:
        self.transport, self.data, self.loop = transport, b"", asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.data += data
        head = self.data.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.data[:head].lower().find(b"content-length:")
        length = int(self.data[at + 15 : head].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.data) >= head + 4 + length:
            self.data = self.data[head + 4 + length :]
            self.loop.call_later(Completions.latency, self.answer)

    def answer(self) -> None:
        if not self.transport.is_closing():
            Completions.answered += 1
            self.transport.write(RESPONSE)


def endpoint() -> None:
    """Serve until standard input ends; a line asks for the number of answers since the last line."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Completions, "127.0.0.1", 0, backlog=4096)
        print(server.sockets[0].getsockname()[1], flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(Completions.answered, flush=True)
            Completions.answered = 0

    try:
        import uvloop

        uvloop.run(serve())
    except ImportError:
        asyncio.run(serve())


def pinned(core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def questions(count: int) -> Iterator[str]:
    return (f"Question {n}: what is six times seven?" for n in range(count))


def items(count: int) -> Iterator[Any]:
    from gnomon.core.types import Message, Transcript
    from gnomon.evaluation.items import Item

    for n, text in enumerate(questions(count)):
        yield Item(id=str(n), cluster=str(n), prompt=Transcript((Message("user", text),)), expect={"answer": "42"})


def ours(url: str, count: int, concurrency: int, folder: Path) -> tuple[float, float]:
    """Seconds, and those of CPU, of one suite through our engine."""
    from gnomon.core.canonical import code_digest
    from gnomon.core.statistics.clustered import rate
    from gnomon.evaluation.items import Answer, Item, Measured
    from gnomon.evaluation.measure import measure, rows
    from gnomon.executor.answers import Store
    from gnomon.ledger.store import Ledger
    from gnomon.models.endpoint import Endpoint

    @dataclass(frozen=True)
    class Includes:
        max_new_tokens: int = 16

        def items(self, *, seed: int) -> Sequence[Item]:
            return list(items(count))

        def measured(self, *, items: Sequence[Item], answers: Mapping[str, Answer]) -> Sequence[Measured]:
            right = [float(str(i.expect["answer"]) in answers[i.id].replies[0].reply) for i in items]
            estimate = rate(right, [i.cluster for i in items])
            return [Measured(dimension="accuracy", estimate=estimate, direction="higher is better")]

    code_digest()  # once a process, not once a run
    model = Endpoint(url=url, model="m", concurrency=concurrency)
    start = clocks()
    with Store.open(folder / "store") as store, Ledger.open(folder / "evidence") as ledger:
        record = measure(
            suite=Includes(),
            name="includes",
            subject="m",
            model=model,
            seed=0,
            store=store,
            ledger=ledger,
        )
        (found,) = rows(ledger, record)
    took = clocks(start)
    assert (found.estimate.value, found.estimate.n) == (1.0, count)
    return took


def inspects(url: str, count: int, concurrency: int, folder: Path) -> tuple[float, float]:
    """The same through Inspect."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    start = clocks()
    dataset = MemoryDataset([Sample(input=text, target="42", id=n) for n, text in enumerate(questions(count), 1)])
    config = GenerateConfig(max_connections=concurrency, max_tokens=16)
    model = get_model("openai-api/mock/m", base_url=url, api_key="none", config=config)
    (log,) = eval(
        Task(dataset=dataset, solver=generate(), scorer=includes()),
        model=model,
        max_connections=concurrency,
        max_samples=concurrency,
        log_dir=str(folder),
        log_realtime=False,
        log_level="error",
        display="none",
        ctl_server=False,
        acp_server=False,
    )
    took = clocks(start)
    assert log.status == "success", log.error
    assert log.results is not None
    assert (log.results.completed_samples, log.results.scores[0].metrics["accuracy"].value) == (count, 1.0)
    return took


def clocks(since: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """Seconds of wall time and of this process's CPU."""
    return time.perf_counter() - since[0], time.process_time() - since[1]


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def memory(url: str, count: int, concurrency: int, folder: Path) -> dict[str, Any]:
    """Resident memory while so many samples are asked; without a URL by a model in this process."""
    from gnomon.core.protocols import Sampling
    from gnomon.evaluation.runner import Limits, ask
    from gnomon.executor.answers import Store
    from gnomon.models.endpoint import Endpoint
    from gnomon.models.scripted import ScriptedModel

    seen: dict[int, float] = {}
    steps = {10_000, *range(count // 10, count + 1, count // 10)}

    class Watching:
        def number(self, name: str, value: float, unit: str, step: int) -> None:
            if name == "samples.done" and step in steps:
                seen[step] = round(resident_mb(), 2)

        def record(self, record: Any) -> None:
            pass

    model = Endpoint(url=url, model="m", concurrency=concurrency) if url else ScriptedModel(default="42")
    start = time.perf_counter()
    with Store.open(folder) as store:
        asked = {"items": items(count), "sampling": Sampling(), "limits": Limits(batch=500)}
        found = ask(model=model, store=store, sink=Watching(), **asked)  # type: ignore[arg-type]
        seconds = time.perf_counter() - start
        digest = found.digest()
        after = round(resident_mb(), 2)
        assert (len(found), len(store)) == (count, count)
    growth = round(max(*seen.values(), after) - seen[10_000], 2)
    told = {"samples": count, "seconds": round(seconds, 1), "resident_mb": seen, "after_digest_mb": after}
    return {**told, "growth_mb_from_10000": growth, "digest": digest[:16]}


@contextmanager
def serving() -> Iterator[tuple[str, Any]]:
    """The endpoint's address, and a function that says how many requests it answered since the last time."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--role", "endpoint"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def answered() -> int:
        print(file=process.stdin, flush=True)
        return int(process.stdout.readline())  # type: ignore[union-attr]

    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1", answered
    finally:
        process.stdin.close()
        process.wait()


def child(role: str, url: str, count: int, concurrency: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--role", role, "--url", url, "--count", str(count)]
    command += ["--concurrency", str(concurrency)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{role}: {ran.stderr[-3000:]}")
    told: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return told


def played(role: str, url: str, count: int, concurrency: int) -> dict[str, Any]:
    """What a process of one role measures."""
    with tempfile.TemporaryDirectory() as folder:
        if role == "memory":
            return memory(url, count, concurrency, Path(folder))
        seconds, cpu = {"ours": ours, "inspect": inspects}[role](url, count, concurrency, Path(folder))
        told = {"per_second": round(count / seconds, 1), "cpu_us": round(cpu / count * 1e6)}
        return {**told, "resident_mb": round(resident_mb(), 1)}


def throughput(quick: bool, turns: int) -> dict[str, Any]:
    count = QUICK_SAMPLES if quick else SAMPLES
    found: dict[str, Any] = {}
    with serving() as (url, answered):
        for concurrency in CONCURRENCY:
            runs: dict[str, list[dict[str, Any]]] = {"ours": [], "inspect": []}
            for _ in range(turns):
                for role, told in runs.items():
                    told.append(child(role, url, count, concurrency))
                    assert answered() == count, f"{role}: requests lost or repeated"
            row: dict[str, Any] = {}
            for role, told in runs.items():
                row[role] = {name: statistics.median(t[name] for t in told) for name in told[0]}
                row[role]["per_second_runs"] = sorted(t["per_second"] for t in told)
            row["ratio"] = round(row["ours"]["per_second"] / row["inspect"]["per_second"], 2)
            found[str(concurrency)] = row
    return {"samples": count, "turns": turns, "at_concurrency": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--turns", type=int, default=0, help=f"of each engine; default {TURNS}, with --quick {QUICK_TURNS}"
    )
    parser.add_argument("--role", default="", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--concurrency", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        pinned(ENDPOINT_CORE if given.role == "endpoint" else ENGINE_CORE)
        if given.role == "endpoint":
            endpoint()
        else:
            print(json.dumps(played(given.role, given.url, given.count, given.concurrency)))
        return
    result = {"command": " ".join(["python benchmarks/engine_vs_inspect.py", *sys.argv[1:]])}
    result["load_before"] = round(os.getloadavg()[0], 2)
    result["throughput"] = throughput(given.quick, given.turns or (QUICK_TURNS if given.quick else TURNS))
    with serving() as (url, _):
        result["memory"] = {
            "endpoint": child("memory", url, QUICK_LONG if given.quick else LONG, 1000),
            "in this process": child("memory", "", INSIDE, 1),
        }
    ratios = {c: row["ratio"] for c, row in result["throughput"]["at_concurrency"].items()}
    growth = {where: told["growth_mb_from_10000"] for where, told in result["memory"].items()}
    met = min(ratios.values()) >= LEAST_RATIO and max(growth.values()) < MOST_GROWTH_MB
    result |= {"ratio": ratios, "growth_mb": growth, "met": met}
    print(json.dumps(result, indent=None if given.json else 2))
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
