"""The application's own commands, run as processes of the stack: the last line they print is their JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from strangler.errors import DependencyDown
from strangler.local import Running, Stack, tail, wait_until
from strangler.service import Json


def start(stack: Stack, name: str, argv: Sequence[str], environ: Mapping[str, str], *, ready: bool = False) -> Running:
    """Start `python -m argv`; with `ready`, wait until it has said so."""
    said_ready = Running.said_ready if ready else None
    return stack.spawn(name, (sys.executable, "-m", *argv), env=environ, ready=said_ready)


def finish(running: Running, timeout_s: float) -> Json:
    """Wait for its end and read what it said; `DependencyDown` when it hung, failed or said nothing."""
    if not wait_until(lambda: not running.alive(), within_s=timeout_s):
        running.kill()
        raise DependencyDown(f"{running.name} did not end within {timeout_s:.0f} s; see {running.log_path}")
    code = running.terminate()
    if code not in (0, 1):
        raise DependencyDown(f"{running.name} ended with {code}; {running.log_path} ends:\n{tail(running.log_path)}")
    return said(running)


def said(running: Running) -> Json:
    """The last line of its log that is a JSON object."""
    for line in reversed(running.log_path.read_text(errors="replace").splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise DependencyDown(f"{running.name} printed no JSON; {running.log_path} ends:\n{tail(running.log_path)}")


def run(stack: Stack, name: str, argv: Sequence[str], environ: Mapping[str, str], *, timeout_s: float = 60) -> Json:
    """Start, wait, read."""
    return finish(start(stack, name, argv, environ), timeout_s)
