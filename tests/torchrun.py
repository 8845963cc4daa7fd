"""Programs on two processes under torchrun, on machines with or without a network or a name."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = ("--nproc-per-node=2", "--standalone", "--local-addr=127.0.0.1")


def torchrun(
    *program: object, cwd: Path | None = None, env: Mapping[str, str] = os.environ
) -> "subprocess.CompletedProcess[str]":
    """Run to the end. What hangs is killed whole: processes left over would hold the pipes, and the reader, for good.

    Raises subprocess.TimeoutExpired after five minutes.
    """
    command = [sys.executable, "-m", "torch.distributed.run", *HERE, *map(str, program)]
    process = subprocess.Popen(
        command, cwd=cwd, env={**env, "GLOO_SOCKET_IFNAME": "lo"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, said = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, said)
