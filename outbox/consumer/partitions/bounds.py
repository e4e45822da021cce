"""How much at once: what a partition may hold in memory, and how many records a run takes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from outbox.terms import check_terms

FIRST_RUN_RECORDS = 64
SLOWNESS = 7  # one gap between failures weighs an eighth: they vary as much as their mean


@dataclass(frozen=True, slots=True)
class Bound:
    """How much one partition may hold: queued, running and waiting for a retry all count.

    At the bound the partition is paused; it goes on when both figures are down to `resume_at` of it.
    """

    records: int = 10_000
    bytes: int = 16 * 1024 * 1024
    resume_at: float = 0.5

    def __post_init__(self) -> None:
        check_terms(self, above_zero=("records", "bytes"), from_zero=("resume_at",))

    def gate(self, records: int, size_bytes: int, *, closed: bool) -> bool:
        """True = paused. Hysteresis keeps it from flapping around the bound."""
        if closed:
            return records > self.records * self.resume_at or size_bytes > self.bytes * self.resume_at
        return records >= self.records or size_bytes >= self.bytes


@dataclass(slots=True)
class RunSize:
    """How many records the next run of a lane takes: `limit`, or fewer where fewer wait.

    Long runs cost less per record; short ones are waited for, fenced and repeated less. So runs grow under a
    backlog as long as one takes well below `target_s`.
    """

    target_s: float
    limit: int = FIRST_RUN_RECORDS

    def done(self, records: int, took_s: float, *, cut: bool = False) -> None:
        """A run was committed. Where a poisoned event cut it, the next one is no longer: poison comes in lots."""
        if cut:
            self.limit = records
        elif took_s > self.target_s:
            self.limit = max(1, self.limit // 2)
        elif records >= self.limit and took_s < self.target_s / 2:
            self.limit *= 2

    def failed(self, done: int) -> None:
        """A part behind so many failed: the records behind it were sorted in vain, so the next run takes fewer."""
        self.limit = min(self.limit, max(FIRST_RUN_RECORDS, 2 * done))


@dataclass(slots=True)
class PartSize:
    """How many events a handler is given at a time, each part behind a savepoint, so that a failure costs a part.

    All of a run at once while nothing fails. A savepoint costs about a small effect, and a failure half a part: both
    together least at the root of twice the events between two failures.
    """

    between: float = math.inf  # events between two failures, lately
    since: int = 0

    @property
    def limit(self) -> int | None:
        """None: all at once."""
        return None if self.between == math.inf else max(1, math.isqrt(round(2 * self.between)))

    def done(self, events: int, failures: int = 0) -> None:
        """So many events went well, and among them or right behind them so many parts failed."""
        self.since += events
        if not failures:
            self.between = self.between if self.between == math.inf else max(self.between, self.since)
            return
        gap = self.since / failures
        if self.between == math.inf:
            self.between = gap
        else:
            self.between += (gap - self.between) * failures / (failures + SLOWNESS)
        self.since = 0
