"""Is an event a repeat? The log says so: it holds the original further ahead. Nothing is dropped on less.

The relay sends again what it had sent and not yet confirmed, so a repeat's position lies at or below its lane's last
one. The reverse does not hold: a position may fall because another server took over, or because one was wrong and far
ahead; an event that was dropped for it would be lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from outbox.consumer.partitions.lineage import ASKED_RECORDS
from outbox.consumer.partitions.run import Run
from outbox.consumer.quarantine.fetch import sweep
from outbox.consumer.triage import Decode, Doubt, Doubtful
from outbox.errors import OutboxError, SourceBroken, Undecodable
from outbox.installation import SOURCES
from outbox.kafka.port import Reader, TopicPartition

LOOK_BACK = 200_000  # records; a relay has at most 20,000 under way, and may die a few times in a row
FIRST_LOOK = 1_000
CLOSE_WITHIN_S = 0.5
ASKED_LOOK_BACK = 2 * ASKED_RECORDS  # of events whose position says nothing: all of those are asked for
KEEP_S = 600.0  # repeats come in runs, from several lanes of a partition; and a quiet topic is not read for each event


@dataclass(slots=True)
class _Window:
    """What was read of a partition: its records from `low` to before `high`, each id with its first offset."""

    low: int
    high: int
    used_at: float
    first: dict[UUID, int] = field(default_factory=dict)

    def near(self, at: int, most: int) -> bool:
        """Whether it is better to go on from it than to begin anew."""
        return self.low <= at <= self.high + most and len(self.first) <= most

    def shown(self, wanted: Mapping[int, UUID]) -> frozenset[int]:
        return frozenset(offset for offset, name in wanted.items() if self.first.get(name, offset) < offset)


class Originals:
    """Safe across threads: one reads at a time. It closes the reader that it made."""

    def __init__(
        self,
        make_reader: Callable[[], Reader],
        decode: Decode,
        *,
        look_back: int = LOOK_BACK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_reader, self._decode, self._look_back, self._clock = make_reader, decode, look_back, clock
        self._reader: Reader | None = None
        self._windows: dict[TopicPartition, _Window] = {}
        self._lock = threading.Lock()

    def settle(self, run: Run, doubtful: Doubtful) -> Run:
        """The run with its repeats known, up to before the first event that is neither new nor a repeat.

        Raises `SourceBroken` when that is its first one, and `DependencyDown` when the log cannot be read.
        """
        suspects = {doubt.offset: doubt.id for doubt in doubtful.doubts if not doubt.foreign}
        doubted = any(not doubt.unsure for doubt in doubtful.doubts)
        look_back = self._look_back if doubted else min(self._look_back, ASKED_LOOK_BACK)
        shown = self.repeats(run.assigned.partition, suspects, look_back)
        fresh = {doubt.offset for doubt in doubtful.doubts if doubt.unsure} - shown
        known = replace(run, repeats=run.repeats | shown, fresh=run.fresh | fresh)
        broken = next((doubt for doubt in doubtful.doubts if doubt.offset not in shown and not doubt.unsure), None)
        if broken is None:
            return known
        if broken.offset == run.records[0].offset:
            raise SourceBroken(_described(broken, self._look_back))
        return known.cut_before(broken.offset)

    def repeats(self, partition: TopicPartition, wanted: Mapping[int, UUID], look_back: int | None = None) -> Set[int]:
        """The offsets whose event the log holds at a lower one; `wanted` gives the event's id by offset."""
        if not wanted:
            return frozenset()
        with self._lock:
            try:
                return self._look(partition, wanted, look_back or self._look_back)
            except OutboxError:
                self._drop_reader()
                raise

    def close(self) -> None:
        """A thread that is still reading is not waited for: it keeps its reader, and ends with the process."""
        if self._lock.acquire(timeout=CLOSE_WITHIN_S):
            try:
                self._drop_reader()
            finally:
                self._lock.release()

    def _look(self, partition: TopicPartition, wanted: Mapping[int, UUID], look_back: int) -> frozenset[int]:
        window = self._window(partition, min(wanted))
        last = max(wanted)
        self._read(partition, window, window.high, last)
        window.high = max(window.high, last)
        start, _ = self._read_from().log_range(partition)
        step = FIRST_LOOK
        while len(window.shown(wanted)) < len(wanted) and start < window.low > min(wanted) - look_back:
            low = max(start, window.low - step, 0)
            self._read(partition, window, low, window.low)
            window.low, step = low, 2 * step
        return window.shown(wanted)

    def _window(self, partition: TopicPartition, at: int) -> _Window:
        """The one that is there if it is young and near, else one that begins here."""
        now = self._clock()
        self._windows = {one: window for one, window in self._windows.items() if now - window.used_at < KEEP_S}
        window = self._windows.get(partition)
        if window is None or not window.near(at, self._look_back):
            window = self._windows[partition] = _Window(at, at, now)
        window.used_at = now
        return window

    def _read(self, partition: TopicPartition, window: _Window, first: int, end: int) -> None:
        if first >= end:
            return
        for record in sweep(self._read_from(), partition, first, end - 1):
            with suppress(Undecodable):  # no event, so nobody's original
                name = self._decode(record).event.id
                window.first[name] = min(record.offset, window.first.get(name, record.offset))

    def _read_from(self) -> Reader:
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    def _drop_reader(self) -> None:
        self._windows.clear()
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _described(doubt: Doubt, look_back: int) -> str:
    event, position = doubt.event, doubt.event.position
    place = f"{event.topic}-{event.partition}@{event.offset}"
    if doubt.foreign:
        source = position.source if position else "unknown"
        return (
            f"{place} comes from source {source}, which is not this installation's: nothing of it is handled. If two "
            "installations share the topic, give each an OUTBOX_TOPIC_PREFIX of its own; if the database has moved, "
            f"name both sources in {SOURCES} for relay and consumers"
        )
    return (
        f"{place} stands at {position}, not beyond {doubt.last} of an earlier event of its lane, and is no repeat: the "
        f"{look_back} records before it do not hold it. A server that took over lacks what the old one had sent, or an "
        "earlier position was wrong. Reconcile, then accept what the topic holds: outbox positions accept"
    )
