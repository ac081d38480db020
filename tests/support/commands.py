"""The command line as a process of this environment."""

import os
import subprocess
import sys
from pathlib import Path

from environments import Done

COMMAND = [sys.executable, "-m", "metaalign_data"]


def metaalign_data(*args: str | Path, cwd: Path, env: dict[str, str] | None = None, timeout_s: float = 120) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *args], cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True, timeout=timeout_s
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start(*args: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *args],
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def dataset_bytes(run: Path) -> dict[str, bytes]:
    """Every file of a run's dataset."""
    files = [path for path in (run / "dataset").rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}
