"""A child process with a name: started, waited for until ready, stopped or killed, started again."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from strangler.errors import DependencyDown
from strangler.local.spawner import Command, Spawner
from strangler.local.waiting import wait_until

TAIL_BYTES = 2_000
TAIL_LINES = 15
STOP_WITHIN_S = 10.0

Ready = Callable[["Running"], bool]


class Running:
    """A started process. `start` after `kill` or `terminate` runs the same command on the same port again."""

    def __init__(
        self,
        name: str,
        command: Command,
        spawner: Spawner,
        *,
        ready: Ready | None,
        port: int | None = None,
        ready_within_s: float = 60.0,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.port = port
        self.log_path = command.log_path
        self._command = command
        self._spawner = spawner
        self._ready = ready
        self._ready_within_s = ready_within_s
        self._stop_signal = stop_signal
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._asked = False  # a second signal would end some at once

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def url(self) -> str:
        if self.port is None:
            raise ValueError(f"{self.name} has no port, so no address")
        return f"http://127.0.0.1:{self.port}"

    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start and wait until it is ready; `DependencyDown` with the end of its log if it is not in time."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start without waiting. Does nothing while it runs."""
        if self.alive():
            return
        self._log_start, self._asked = self.log_path.stat().st_size if self.log_path.exists() else 0, False
        try:
            self._popen = self._spawner.spawn(self._command)
        except OSError as error:
            raise DependencyDown(f"{self.name} cannot be started: {error}; try: strangler doctor") from error

    def wait_ready(self) -> None:
        """Does not wait when nobody said what ready means."""
        ready = self._ready
        if ready is None:
            return
        if not wait_until(lambda: not self.alive() or ready(self), within_s=self._ready_within_s):
            self.kill()
            why = f": {ready}" if isinstance(ready, Answers) else ""
            raise DependencyDown(
                f"{self.name} was not ready after {self._ready_within_s:g} s{why}; {self._end_of_log()}"
            )
        if not self.alive():
            raise DependencyDown(f"{self.name} ended with exit code {self._started().wait()}; {self._end_of_log()}")

    def said_ready(self) -> bool:
        """True when it has printed a line that begins with `ready` since its start."""
        return any(line.startswith(b"ready") for line in self.said().splitlines())

    def kill(self) -> None:
        """SIGKILL to it and all its children; returns when it is gone."""
        if self._popen is not None:
            self._signal_group(signal.SIGKILL)
            self._popen.wait(STOP_WITHIN_S)

    def ask_to_stop(self) -> None:
        """By its signal, without waiting; `terminate` waits."""
        popen = self._started()
        if popen.poll() is None:
            popen.send_signal(self._stop_signal)
            self._asked = True

    def terminate(self, timeout_s: float = STOP_WITHIN_S) -> int:
        """Ask it to stop, unless that was done; kill what is left after `timeout_s`; the exit code."""
        popen = self._started()
        if not self._asked:
            self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):  # asked in vain: what follows does not ask
            popen.wait(timeout_s)
        self._signal_group(signal.SIGKILL)
        return popen.wait(STOP_WITHIN_S)

    def _signal_group(self, signum: signal.Signals) -> None:
        try:
            os.killpg(self._started().pid, signum)
        except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            return

    def _started(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise ValueError(f"{self.name} has not been started")
        return self._popen

    def said(self) -> bytes:
        """Its output since its last start."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    def _end_of_log(self) -> str:
        return f"log {self.log_path}, it ends:\n{tail(self.log_path)}"


def stop_all(group: Iterable[Running], timeout_s: float = STOP_WITHIN_S) -> None:
    """Ask all that run at once, then wait: what is left of them after `timeout_s` is killed."""
    alive = [one for one in group if one.alive()]
    for one in alive:
        one.ask_to_stop()
    deadline = time.monotonic() + timeout_s
    for one in alive:
        one.terminate(max(0.0, deadline - time.monotonic()))


def tail(path: Path) -> str:
    """The last lines of a log, indented; a word when it is empty."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = log.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or "    (empty)"


@dataclass
class Answers:
    """Ready when `GET path` is answered 200; without a path, when `GET /` is answered at all, below 500."""

    path: str | None = None
    last: str = "not answered"

    def __call__(self, running: Running) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=2.0)
        try:
            connection.request("GET", self.path or "/", headers={"Connection": "close"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            self.last = f"not answered ({type(error).__name__})"
            return False
        finally:
            connection.close()
        self.last = f"answered {status}"
        return status == 200 if self.path else status < 500

    def __str__(self) -> str:
        wanted = "200 is ready; see Process(ready_path=...) in the plan" if self.path else "anything below 500 is ready"
        return f"GET {self.path or '/'} is {self.last}, {wanted}"
