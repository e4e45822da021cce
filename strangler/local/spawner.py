"""Forks child processes that die with us, from one thread that lives as long as they do.

Linux kills a child that asked for it (PR_SET_PDEATHSIG) when the THREAD that forked it ends, not the process: a child
forked by a short-lived thread would die at once. Elsewhere children only have a process group of their own.
"""

from __future__ import annotations

import os
import pwd
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from strangler.local.low_priority import go_behind
from strangler.local.parent import dies_with_parent

WAITING_ORDERS = 16  # more starts at once than that is a mistake
ORDER_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to start. `env` is added to ours; stdout and stderr are appended to `log_path`.

    `user`: run as that user (we must be root). `death_signal`: what the child gets when we die. `behind`: others go
    first where cores are few.
    """

    argv: tuple[str, ...]
    log_path: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None
    death_signal: signal.Signals = signal.SIGKILL
    behind: bool = False


class Spawner:
    """The one permanent thread. Close it after its children: closing kills what still runs."""

    def __init__(self) -> None:
        self._orders: queue.Queue[tuple[Command, Future[subprocess.Popen[bytes]]] | None] = queue.Queue(WAITING_ORDERS)
        self._thread = threading.Thread(target=self._serve, name="spawner", daemon=True)
        self._thread.start()

    def spawn(self, command: Command) -> subprocess.Popen[bytes]:
        """Start it; `OSError` if it cannot be executed."""
        started: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((command, started), timeout=ORDER_TIMEOUT_S)
        return started.result(timeout=ORDER_TIMEOUT_S)

    def close(self) -> None:
        self._orders.put(None, timeout=ORDER_TIMEOUT_S)
        self._thread.join(ORDER_TIMEOUT_S)

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            command, started = order
            try:
                started.set_result(_fork(command))
            except Exception as error:  # noqa: BLE001 - the thread's edge: handed to the caller
                started.set_exception(error)


def _fork(command: Command) -> subprocess.Popen[bytes]:
    group = pwd.getpwnam(command.user).pw_gid if command.user else None
    # Only we read it: a child's log may hold addresses.
    log = os.open(command.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **command.env},
            user=command.user,
            group=group,
            extra_groups=[] if command.user else None,
            start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we stop children in order
            preexec_fn=_asks(command),  # noqa: PLW1509 - it takes no lock
        )
    finally:
        os.close(log)


def _asks(command: Command) -> Callable[[], None]:
    """What the child does before it becomes the command."""
    die = dies_with_parent(command.death_signal)

    def ask() -> None:
        if die is not None:
            die()
        if command.behind:
            go_behind()

    return ask
