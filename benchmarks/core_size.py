"""How large the core is and how long it takes to start, and that neither torch nor numpy comes along.

    python benchmarks/core_size.py [--json] [--repeats 7]

It installs this repository with its base dependencies into a temporary folder (pip, without byte code), then imports
the guard, the ledger and the charter's loader in fresh processes that see only that folder and the standard library.
It does not measure a first start without byte code: one run warms up. Beside other work (`load` above the number of
cores) the wall time says little and the CPU time more.
Units: MB are 10^6 bytes on disk; seconds are wall time inside the process, median of the repeats, CPU time beside it.
Exit status: 0 within the limits (60 MB, 0.3 s), 1 beyond, 2 when the installation failed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

LIMIT_MB, LIMIT_S = 60.0, 0.3
MODULES = ("gnomon.guard.decide", "gnomon.ledger.store", "gnomon.charter.load")
FORBIDDEN = ("torch", "numpy", "scipy", "transformers", "sqlalchemy")

PROBE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
wall, cpu = time.perf_counter(), time.process_time()
for name in sys.argv[2].split(","):
    __import__(name)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
import resource
heavy = [name for name in sys.argv[3].split(",") if name in sys.modules]
top = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({"wall": wall, "cpu": cpu, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
                  "modules": len(sys.modules), "heavy": heavy, "packages": sorted(top - set(sys.stdlib_module_names))}))
"""


def install(target: Path) -> None:
    """The repository and its base dependencies, as a user would get them, into one folder."""
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--target", str(target), str(root)], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip()[-2000:], file=sys.stderr)
        raise SystemExit(2)


def megabytes(folder: Path) -> float:
    """Bytes of all files below, byte code left out."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts) / 1e6


def sizes(target: Path) -> dict[str, float]:
    """Installed size by distribution, largest first."""
    found = {}
    for distribution in distributions(path=[str(target)]):
        paths = [
            Path(str(distribution.locate_file(f))) for f in distribution.files or [] if "__pycache__" not in str(f)
        ]
        found[distribution.name] = sum(p.stat().st_size for p in paths if p.is_file()) / 1e6
    return {name: round(size, 2) for name, size in sorted(found.items(), key=lambda item: -item[1])}


def probe(target: Path, modules: str) -> dict:
    """One import in a fresh, isolated process."""
    command = [sys.executable, "-I", "-S", "-c", PROBE, str(target), modules, ",".join(FORBIDDEN)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def imports(target: Path, modules: str, repeats: int) -> dict:
    """Median cost of an import, after one that writes the byte code."""
    probe(target, modules)
    runs = [probe(target, modules) for _ in range(repeats)]
    median = {key: round(statistics.median(run[key] for run in runs), 4) for key in ("wall", "cpu", "mb")}
    return {**median, **{key: runs[0][key] for key in ("modules", "heavy", "packages")}}


def main() -> int:
    """Install, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=7, help="fresh processes per measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        install(target)
        size, parts = megabytes(target), sizes(target)
        bare = imports(target, "sys", options.repeats)
        each = {name: imports(target, name, options.repeats) for name in MODULES}
        whole = imports(target, ",".join(MODULES), options.repeats)
    result = {
        "installed_mb": round(size, 2),
        "distributions": parts,
        "import_s": whole["wall"],
        "import_cpu_s": whole["cpu"],
        "import_mb": whole["mb"],
        "import_mb_added": round(whole["mb"] - bare["mb"], 2),
        "modules": whole["modules"],
        "packages": whole["packages"],
        "import_s_each": {name: run["wall"] for name, run in each.items()},
        "heavy": whole["heavy"],
        "load": round(os.getloadavg()[0], 2),
        "limits": {"installed_mb": LIMIT_MB, "import_s": LIMIT_S},
    }
    met = size <= LIMIT_MB and whole["wall"] <= LIMIT_S and not whole["heavy"]
    result["met"] = met
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
