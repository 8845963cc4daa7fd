"""The package as a tree of parsed files, for the contract tests."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "gnomon"
FILES = sorted(p for p in SOURCE.rglob("*.py"))
# Shipped inside the evidence bundle, so it must run alone: it prints, and shares no code with the package.
STANDALONE = SOURCE / "ledger" / "verify_gnomon.py"


def name(path: Path) -> str:
    """Path below the package, as tests name it."""
    return str(path.relative_to(SOURCE))


def module(path: Path) -> str:
    """Dotted name of a file's module."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(dotted: str) -> str:
    """The room of a module; empty for the package itself."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


@cache
def parsed(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


MODULES = {module(p): p for p in FILES}


def imports(path: Path, *, lazy: bool = True) -> Iterator[str]:
    """Dotted names of what a file imports; without `lazy`, only what is imported when the file is."""
    yield from _imports(parsed(path), lazy)


def _imports(node: ast.AST, lazy: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative imports hide the room they reach into"
            base = child.module or ""
            for alias in child.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in MODULES else base
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            if lazy:
                yield from _imports(child, lazy)
        elif lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports(child, lazy)


def reached(start: str) -> set[str]:
    """Every module that is imported, at once or by others, when `start` is: ours and the top names of the rest."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in MODULES:
            parts = current.split(".")
            todo += [".".join(parts[:i]) for i in range(1, len(parts))]
            todo += imports(MODULES[current], lazy=False)
    return {m if m in MODULES else m.split(".")[0] for m in seen}
