"""The process under test, seen from outside: its state, its log, its page of metrics, its end."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import requests

from tests.faults import record_member
from tests.faults.record_member import Order
from tests.faults.record_stops import Evidence, counts_of, lines_of
from tests.support.waiting import comes_true

ENDS_WITHIN_S = 10.0
JOINED_EACH_S = 0.1
KILLED_WITHIN_S = 30.0


def forks() -> ForkServerContext:
    """Processes from a server that has imported what a member needs."""
    context = get_context("forkserver")
    context.set_forkserver_preload([record_member.__name__, "outbox.consumer.consumer", "kafka", "psycopg"])
    return context


@dataclass
class Process:
    """Ends with us. `began`: by the wall's clock. `evidence` is as of the last `look`."""

    process: ForkServerProcess
    alive: Connection
    log: Path
    metrics: str
    began: float
    evidence: Evidence = field(default_factory=Evidence)
    _read: int = 0

    @classmethod
    def start(cls, forked: ForkServerContext, order: Order, log: Path) -> Process:
        log.touch()
        theirs, ours = forked.Pipe(duplex=False)
        process = forked.Process(target=record_member.main, args=(order, log, theirs), daemon=True)
        process.start()
        theirs.close()
        host, port = order.metrics
        return cls(process, ours, log, f"http://{host}:{port}/metrics", time.time())

    def look(self) -> Evidence:
        """Read on in its log, then its page; what does not answer counts nothing."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self.evidence.lines += lines_of(whole.decode("utf-8", "replace"))
        with suppress(requests.RequestException):
            self.evidence.counts = counts_of(requests.get(self.metrics, timeout=5).text)
        return self.evidence

    def ended(self) -> bool:
        return self.process.exitcode is not None

    @property
    def exit_code(self) -> int:
        return self.process.exitcode or 0

    def stopped_at(self, point: str) -> bool:
        """It said so, and stands still: a moment lies between the two."""
        return f"stopped_at {point}" in self.log.read_text(errors="replace") and self.stands()

    def stands(self) -> bool:
        """Stopped by a signal, as `/proc/PID/stat` says."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def go_on(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, signal.SIGCONT)

    def terminate(self) -> float | None:
        """SIGTERM, to one that stands still too; the seconds until its end, None if it is deaf. Then it is killed.

        Whatever it still does may bring it to its point, where it stops itself: that is not deaf.
        """
        began = time.monotonic()
        self.process.terminate()
        comes_true(self._joined, within_s=ENDS_WITHIN_S)
        took_s = time.monotonic() - began
        deaf = self.process.exitcode is None
        self.kill()
        return None if deaf else took_s

    def _joined(self) -> bool:
        self.go_on()
        self.process.join(JOINED_EACH_S)
        return self.ended()

    def kill(self) -> None:
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join(KILLED_WITHIN_S)
        self.alive.close()

    def last_words(self, lines: int = 6) -> str:
        return "\n".join(line[:600] for line in self.log.read_text(errors="replace").splitlines()[-lines:])
