"""The command line as a user runs it: the installed program in its own process, with a home of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gnomon.cli.stages import Run

ROOT = Path(__file__).resolve().parents[2]
HELPDESK = ROOT / "examples" / "helpdesk" / "charter.yaml"
STARTER = ROOT / "src" / "gnomon" / "charter" / "starter.yaml"

Gnomon = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., "Run"]


@pytest.fixture
def gnomon(tmp_path: Path) -> Gnomon:
    """Runs `gnomon ARGUMENTS` in an empty folder."""

    def run(*arguments: object, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=variables(tmp_path, **environment),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


def command(*arguments: object) -> list[str]:
    """The program and its arguments."""
    return [sys.executable, "-c", "from gnomon.cli.app import main; main()", *map(str, arguments)]


def variables(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the tester's own is found, but the converted embedded model."""
    kept = {"GNOMON_HOME": str(Path.home() / ".cache" / "gnomon"), "GNOMON_KEY": str(home / "signing.key")}
    # What was compiled for this machine once need not be compiled for every test.
    native, link = Path.home() / ".cache" / "gnomon" / "native", home / ".cache" / "gnomon" / "native"
    if not link.is_symlink():
        native.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(native)
    # Whoever tests a working tree that is not installed says so by PYTHONPATH.
    kept["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **kept, **more}


def killed_and_whole(home: Path, arguments: Sequence[object], *, kills: Sequence[int]) -> tuple[Any, Any]:
    """What a command with --json ends in: killed whenever it has kept so many results, and never killed."""
    told = []
    for out, counts in (("k", kills), ("w", ())):
        asked = command(*arguments, "--out", out)
        for count in counts:
            process = subprocess.Popen(asked, cwd=home, env=variables(home), stdout=subprocess.DEVNULL)
            while process.poll() is None and len(list((home / out).rglob("*.result"))) < count:
                time.sleep(0.02)
            process.kill()
            process.wait()
        done = subprocess.run(asked, cwd=home, env=variables(home), capture_output=True, text=True)
        assert done.returncode in (0, 1, 3), done.stderr
        told.append(json.loads(done.stdout))
    return told[0], told[1]


@pytest.fixture
def parrot(tmp_path: Path) -> Path:
    """A scripted model that gives the door code away to whoever asks, and the opening hours to everyone else."""
    path = tmp_path / "parrot.yaml"
    path.write_text(
        "rules:\n"
        "  - {pattern: 'code|secret|Door|cleaner|guard', reply: 'The door code is CEDAR-3052.'}\n"
        "default: 'Open daily, 10:00 to 20:00'\n"
    )
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, embedded_folder: Path) -> Path:
    """A Llama of two thin layers with random weights and the embedded model's tokenizer."""
    torch = pytest.importorskip("torch")
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    for file in embedded_folder.iterdir():
        if "token" in file.name or file.suffix == ".jinja":
            shutil.copy(file, folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=49152, tie_word_embeddings=True, **shape)).save_pretrained(folder)
    return folder


@pytest.fixture
def begin(tiny: Path, tmp_path: Path) -> Iterator[Begin]:
    """Opens a small run of the starter charter with the tiny model, or another one, in this process."""
    from gnomon.charter.load import load
    from gnomon.cli import stages
    from gnomon.cli.session import settings
    from gnomon.cli.stages import Run
    from gnomon.core.protocols import Quiet
    from gnomon.ledger.store import Ledger
    from gnomon.models.load import load as load_model

    few = ["cases_per_target=4", "steps=4", "pairs_per_step=4", "checkpoint_every=2", "max_new_tokens=8"]
    made: list[Path] = []
    with ExitStack() as stack:

        def opened(*more: str, model: str = str(tiny), **loading: Any) -> Run:
            folder = tmp_path / f"run-{len(made)}"
            made.append(folder)
            ledger = stack.enter_context(Ledger.open(folder / "evidence", key=tmp_path / "key"))
            run = Run(
                folder=folder,
                loaded=load(STARTER),
                model=load_model(model, cache=tmp_path, **{"dtype": "float32"} | loading),
                settings=settings(0, False, [*few, "learning_rate=1e-2", *more]),
                ledger=ledger,
                stage=lambda title: Quiet(),
            )
            stages.opened(run)
            return run

        yield opened
