"""Wake-ups: one LISTEN connection per process tells waiting threads that their order may go on."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from strangler.continuation.table import CHANNEL

if TYPE_CHECKING:
    from outbox.speaking import DriverConnection

logger = logging.getLogger(__name__)

RECENT = 1024  # subjects whose wake-up came before anybody waited: it may overtake the answer to COMMIT
REST_S = 0.2
LOOK_UP_S = 1.0


class Wakeups:
    """`wait` from any thread. The listening thread starts with the first wait in a process, also after a fork.

    `connect` opens a connection of psycopg or psycopg2 for that thread alone.
    A wake-up is a hint: whoever is woken looks for himself. After a lost connection all are woken once, because
    nobody knows what was missed.
    """

    def __init__(self, connect: Callable[[], DriverConnection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._waiting: dict[str, threading.Event] = {}
        self._recent: dict[str, None] = {}  # in order of arrival
        self._pid = 0
        self._stopping = threading.Event()

    def wait(self, subject_ref: str, timeout_s: float) -> bool:
        """True when woken; holds no connection and no transaction."""
        with self._lock:
            self._start()
            if self._recent.pop(subject_ref, subject_ref) is None:
                return True
            event = self._waiting.setdefault(subject_ref, threading.Event())
        try:
            return event.wait(max(0.0, timeout_s))
        finally:
            with self._lock:
                self._waiting.pop(subject_ref, None)

    def close(self) -> None:
        """End the thread within about a second."""
        self._stopping.set()

    def _start(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._waiting, self._recent = {}, {}
            threading.Thread(target=self._run, name="wakeups", daemon=True).start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with contextlib.closing(self._connect()) as connection:
                    connection.autocommit = True
                    connection.cursor().execute(f"LISTEN {CHANNEL}")
                    self._wake_all()
                    while not self._stopping.is_set():
                        for subject_ref in _heard(connection):
                            self._wake(subject_ref)
            except Exception as error:  # noqa: BLE001 - the thread's edge; either driver's, or the application's own way in
                logger.warning("wakeups_lost", extra={"error": type(error).__name__})
                self._stopping.wait(REST_S)  # waiting requests have their own deadline

    def _wake(self, subject_ref: str) -> None:
        with self._lock:
            event = self._waiting.get(subject_ref)
            if event is not None:
                event.set()
                return
            self._recent[subject_ref] = None
            if len(self._recent) > RECENT:
                self._recent.pop(next(iter(self._recent)))

    def _wake_all(self) -> None:
        with self._lock:
            for event in self._waiting.values():
                event.set()


def _heard(connection: Any) -> Iterator[str]:
    """What is heard within LOOK_UP_S."""
    if callable(connection.notifies):  # psycopg 3
        for notify in connection.notifies(timeout=LOOK_UP_S):
            yield notify.payload
    elif select.select([connection], [], [], LOOK_UP_S)[0]:
        connection.poll()
        while connection.notifies:
            yield connection.notifies.pop(0).payload
