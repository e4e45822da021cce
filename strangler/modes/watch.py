"""A process looks twice a second which mode holds, in a thread; it ends at its time also where nobody can look."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from outbox.catalogue import Sample
from strangler.errors import StranglerError
from strangler.modes.table import HeldMode

logger = logging.getLogger(__name__)

LOOK_S = 0.5
HANGS_S = 5.0  # a look that takes longer
ENDED_WITHIN_S = 1.0  # a daemon: a look that hangs is left behind


class ModeWatch:
    """`read` asks the database; `changed` is told, in a thread of the watch's, which mode begins to hold: "" none.

    `now` is as of the last look, from any thread. Of a mode that was read the time that was left counts, by our own
    clock: so a database that is away, or hangs, neither keeps nor ends it.
    """

    def __init__(
        self,
        who: str,
        read: Callable[[], HeldMode | None],
        changed: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._who, self._read, self._changed, self._clock = who, read, changed, clock
        self._held, self._ends_at = "", 0.0
        self._said, self._failed = "", False
        self._asked_at = float("inf")
        self._telling = threading.RLock()
        self._stopping = threading.Event()

    def gauges(self) -> Iterator[Sample]:
        """1 for the mode that holds; nothing where none does."""
        if mode := self.now():
            yield Sample("context_mode", 1, {"mode": mode})

    def now(self) -> str:
        """The name of the mode that holds; "" where none does."""
        return self._held if self._clock() < self._ends_at else ""

    def run(self) -> None:
        """Until `stop`."""
        threading.Thread(target=self._run_clock, name="mode-clock", daemon=True).start()
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(LOOK_S)

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Once."""
        asked_at = self._asked_at = self._clock()
        try:
            held = self._read()
        except (psycopg.Error, StranglerError) as error:
            self._not_read(type(error).__name__)
        else:
            self._failed = False
            with self._telling:
                self._held, self._ends_at = ("", 0.0) if held is None else (held.mode, asked_at + held.for_s)
        self._asked_at = float("inf")
        self.keep_time()

    def keep_time(self) -> None:
        """Tells of a mode that is over, and of a look that hangs: also while it does."""
        if self._clock() - self._asked_at >= HANGS_S:
            self._not_read("no answer")
        with self._telling:
            self._tell(self.now())

    def _run_clock(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self.keep_time()

    def _not_read(self, why: str) -> None:
        if not self._failed:
            self._failed = True
            logger.warning("mode_not_read", extra={"who": self._who, "error": why})

    def _tell(self, now: str) -> None:
        if now == self._said:
            return
        if self._said:
            logger.info("mode_ends", extra={"who": self._who, "mode": self._said})
        if now:
            left_s = round(self._ends_at - self._clock(), 1)
            logger.info("mode_begins", extra={"who": self._who, "mode": now, "for_s": left_s})
        self._said = now
        self._changed(now)


@contextmanager
def watched(watch: ModeWatch) -> Iterator[ModeWatch]:
    """Inside, it looks; the first look is done before."""
    watch.look()
    thread = threading.Thread(target=watch.run, name="mode", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join(ENDED_WITHIN_S)
