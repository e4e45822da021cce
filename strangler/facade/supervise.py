"""Workers behind one socket: forked, started again when they die, told to finish on SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from strangler.local.parent import dies_with_parent

logger = logging.getLogger(__name__)

GRACE_S = 10.0  # for requests under way
REST_S = 1.0  # before the next start, after a worker that has not lived that long
_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGINT)
_WAITED_FOR = (*_ASKED_TO_STOP, signal.SIGCHLD, signal.SIGALRM)


def supervise(
    work: Callable[[], None], workers: int, close: Callable[[], None], beside: Sequence[Callable[[], None]] = ()
) -> None:
    """`work` runs in each of so many processes, and returns when that gets SIGTERM. Until this process gets one; then
    it closes what it has opened for them, so that nobody is let in whom nobody serves. `beside`: one process more for
    each of these.

    Called in a process of one thread. Workers die with it, at once.
    """
    _Workers([*[work] * workers, *beside]).run(close)


class _Workers:
    def __init__(self, works: Sequence[Callable[[], None]]) -> None:
        self._free = list(works)
        self._started: dict[int, tuple[float, Callable[[], None]]] = {}
        self._not_before = 0.0
        self._ask = dies_with_parent(signal.SIGKILL)

    def run(self, close: Callable[[], None]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
        for number in (signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, _noted)  # else a system may drop it while it is blocked
        while True:
            self._start()
            if signal.sigwait(_WAITED_FOR) in _ASKED_TO_STOP:
                break
            for pid, status in _ended():
                self._replace(pid, status)
        close()
        self._stop()

    def _start(self) -> None:
        while self._free:
            rest_s = self._not_before - time.monotonic()
            if rest_s > 0:
                signal.setitimer(signal.ITIMER_REAL, rest_s)
                return
            work = self._free.pop()
            pid = os.fork()
            if pid == 0:
                self._child(work)
            self._started[pid] = (time.monotonic(), work)

    def _replace(self, pid: int, status: int) -> None:
        if pid not in self._started:
            return
        since, work = self._started.pop(pid)
        self._free.append(work)
        lived_s = time.monotonic() - since
        logger.error("worker_ended", extra={"worker": pid, "code": status, "lived_s": round(lived_s, 3)})
        if lived_s < REST_S:
            self._not_before = time.monotonic() + REST_S

    def _stop(self) -> None:
        """Each finishes what is under way; who has not by then is killed."""
        self._tell(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, GRACE_S + REST_S)
        while self._started:
            number = signal.sigwait(_WAITED_FOR)
            for pid, _ in _ended():
                self._started.pop(pid, None)
            if number == signal.SIGALRM and self._started:
                logger.warning("workers_killed", extra={"workers": len(self._started)})
                self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _child(self, work: Callable[[], None]) -> None:
        """Does not return: nothing of the parent's may run here on the way out."""
        code = 1
        try:
            if self._ask is not None:
                self._ask()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to all: the parent says what it means
            for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR)
            work()
            code = 0
        except BaseException:
            logger.exception("worker_failed")
        finally:
            sys.stderr.flush()
            os._exit(code)


def _ended() -> list[tuple[int, int]]:
    """Process and exit code, of each that has ended; minus the number of a signal."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            found.append((pid, os.waitstatus_to_exitcode(status)))
    return found


def _noted(_number: int, _frame: object) -> None:
    """It is waited for elsewhere."""
