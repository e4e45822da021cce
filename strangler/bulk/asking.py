"""For a batch job: asks before each unit of its work whether it may go on. Imports nothing but Python's own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

SOCKET = "BULK_SOCKET"
PATIENCE_S = 3600.0  # a unit is let go on after `slow_s` at the latest; silence for longer is a fault
AGAIN_S = 0.05  # while too many others want to be connected
GONE = "`strangler admit` lets no more units begin at"
DONE = "the units before this one are done: start the job by `strangler admit bulk` again"

T = TypeVar("T")


class BulkEnded(ConnectionError):
    """`strangler admit` ends the job, is gone, or says nothing. The job ends between two units."""


def units(work: Iterable[T]) -> Iterator[T]:
    """The same, each after `strangler admit bulk` has let it begin. Outside of that nothing is asked.

    Hold no lock and no open transaction between two of them: while there is pressure the next one waits.

    >>> list(units([1, 2, 3]))
    [1, 2, 3]
    """
    path = os.environ.get(SOCKET)
    if not path:
        yield from work
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gate:
        gate.settimeout(PATIENCE_S)
        try:
            _connect(gate, path)
        except OSError as error:
            raise BulkEnded(f"{GONE} {path}: {error}; {DONE}") from error
        for one in work:
            _ask(gate, path)
            yield one


def _connect(gate: socket.socket, path: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return gate.connect(path)
        except BlockingIOError:  # as many as the listener lets wait do
            if time.monotonic() >= until:
                raise
            time.sleep(AGAIN_S)


def _ask(gate: socket.socket, path: str) -> None:
    try:
        gate.sendall(b"next\n")
        said = gate.recv(16)
    except OSError as error:
        raise BulkEnded(f"{GONE} {path}: {error}; {DONE}") from error
    if said != b"go\n":
        raise BulkEnded(f"{GONE} {path}; {DONE}")
