"""Named points where a kill test can stop a process: races become repeatable.

Production passes `FaultPoints()`, which does nothing. A kill test starts the process with
`OUTBOX_STOP_AT=relay.sent:3`: at the third arrival at `relay.sent` the process prints
`stopped_at relay.sent` on stderr and stops itself (SIGSTOP), to be killed or continued from outside.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping


class FaultPoints:
    """Counts arrivals at named points; stops the process at the chosen one. Safe across threads."""

    def __init__(self, stop_at: str | None = None, arrival: int = 1) -> None:
        self._stop_at, self._arrival = stop_at, arrival
        self._arrivals: Counter[str] = Counter()
        self._lock = threading.Lock()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> FaultPoints:
        """Read `OUTBOX_STOP_AT=name[:arrival]`; absent means never stop."""
        name, _, arrival = environ.get("OUTBOX_STOP_AT", "").partition(":")
        return cls(name or None, int(arrival or 1))

    def reach(self, name: str) -> None:
        """Say that the code is at `name`."""
        if self._stop_at != name:
            return
        with self._lock:
            self._arrivals[name] += 1
            due = self._arrivals[name] == self._arrival
        if due:
            print(f"stopped_at {name}", file=sys.stderr, flush=True)  # noqa: T201 - the test reads it
            # To this thread: a signal to the process may be taken by another one, and this one would run on meanwhile.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
