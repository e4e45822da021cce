"""Commands as the README and the Makefile say them, run by the interpreter of the tests."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ".venv/bin/"


def recipe(target: str, **variables: str) -> list[str]:
    """What `make TARGET NAME=VALUE` runs, once `.venv` is ready."""
    argv = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/.ready", target]
    given = [f"{name}={value}" for name, value in variables.items()]
    said = subprocess.run([*argv, *given], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    return runnable(shlex.split(said.splitlines()[-1]))


def runnable(command: list[str]) -> list[str]:
    """`.venv/bin/NAME ...`: python itself, or a command of ours."""
    program = command[0].removeprefix(BIN)
    return [sys.executable, *([] if program == "python" else ["-m", program]), *command[1:]]
