"""Commands as the README, the Makefile and the pages of docs/ say them, run by the interpreter of the tests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ".venv/bin/"
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY = "..."
WITHIN_S = 90


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


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a page, and what it is shown to say. `...` in a line is any text, alone in a line any lines."""

    command: str
    output: str = ""

    def run(self, cwd: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """In a shell in which the commands of the tests' environment come first; a pipe fails where any part does."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.command.replace(BIN, "")],
            cwd=cwd,
            env={**os.environ, **(environ or {}), "PATH": path},
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    def is_said_by(self, output: str) -> bool:
        r"""Whether that output is as shown.

        >>> Shown("strangler status", "epoch ..., 3 orders\n...").is_said_by("epoch 7, 3 orders\nfraud\nstock\n")
        True
        >>> Shown("strangler status", "epoch 7").is_said_by("epoch 7\nfraud\n")
        False
        """
        lines = [
            r"(?:.*\n)*" if line == ANY else f"{'.*'.join(map(re.escape, line.split(ANY)))}\n"
            for line in self.output.splitlines()
        ]
        return (
            re.fullmatch("".join(lines), output if output.endswith("\n") or not output else output + "\n") is not None
        )


def shown_in(text: str) -> Sequence[Shown]:
    """The commands of a page's `console` blocks, in their order: a line with `$ `, and what follows it.

    >>> shown_in("```console\\n$ strangler status\\nepoch 1\\n```\\n")
    [Shown(command='strangler status', output='epoch 1\\n')]
    """
    found = []
    for block in CONSOLE.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Shown(command, output))
    return found
