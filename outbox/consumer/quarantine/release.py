"""The release of parked keys: a thread of the runtime that owns their partitions, beside its workers.

Positions are not touched, claims guard the effects. What it does commits together with the rows' end, under the
partition's fence. An event of the key that arrives meanwhile finds open rows and parks behind them, or none and runs:
there is no moment between the last replayed and the first live event in which both could be at work.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Poison
from outbox.consumer.middleware.versions import VersionOrder
from outbox.consumer.own_transaction import require_open
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.quarantine import parked, version_wait_sql
from outbox.consumer.quarantine.fetch import fetch
from outbox.consumer.quarantine.parked_events import PAGE, Parcel, in_versions_asked_for, unpack
from outbox.consumer.quarantine.parking import PARKED_BEHIND, listen, reason_of, tell_freed
from outbox.consumer.quarantine.recheck import Doubts
from outbox.consumer.quarantine.version_release import Waiters
from outbox.consumer.report import Report
from outbox.consumer.retry.rule import delay_s, is_of_the_event
from outbox.consumer.session import Session
from outbox.consumer.settings import Metric, RuntimeSettings
from outbox.consumer.triage import WAITING
from outbox.errors import Fenced
from outbox.kafka.port import Reader

BATCH = 500
LISTEN_S = 0.5  # how soon it notices that it is to stop, that a partition has come, or that a run has ended
LOOK_AGAIN_S = 30.0  # should a notification be lost with its connection
KEEP_EVERY_S = 60.0
KEEP_OLDER_S = 86_400.0
KEEP_SHARE = 0.1  # of the log, at its old end


class Release:
    """Replays what was asked for, and what waits behind nothing any more; keeps what the log is about to lose."""

    def __init__(
        self,
        *,
        board: LaneScheduler,
        session: Session,
        application: Application,
        make_reader: Callable[[], Reader],
        settings: RuntimeSettings,
        report: Report,
        rng: random.Random,
        versions: VersionOrder | None = None,
    ) -> None:
        self._board, self._session, self._how, self._versions = board, session, application, versions
        self._look_again_s = LOOK_AGAIN_S if versions is None else min(LOOK_AGAIN_S, versions.said.wait_s)
        self._make_reader, self._settings, self._report, self._rng = make_reader, settings, report, rng
        self._reader: Reader | None = None
        self._stopping = threading.Event()
        self._failures = 0
        self._seen: list[int] = []  # fences
        self._look_at = self._keep_at = 0.0
        self._listening: PsycopgConnection | None = None
        self._doubts = Doubts(board)
        self._waiters = (
            None if versions is None else Waiters(versions, application, report, read=self._read, hold=self._hold)
        )

    def stop(self) -> None:
        """End within `LISTEN_S` and the batch under way."""
        self._stopping.set()

    def run(self) -> None:
        """Until stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    self._turn()
                except Exception as error:  # noqa: BLE001 - what is parked waits; the runtime goes on
                    self._rest(error)
        finally:
            self._session.close()
            self._drop_reader()

    def _turn(self) -> None:
        connection = self._session.connection()
        if connection is not self._listening:
            listen(connection)
            self._listening, self._look_at = connection, 0.0
        notes = {note.payload for note in connection.notifies(timeout=LISTEN_S, stop_after=1)}
        told = bool(notes if self._versions is not None else notes - {PARKED_BEHIND})
        held, now = self._board.assigned(), time.monotonic()
        fences = [one.fence for one in held]
        due = told or fences != self._seen or now >= self._look_at
        if due:
            self._doubts.note()
        if due or self._doubts.ended():
            for assigned in held:
                self._replay_all(connection, assigned)
            self._seen, self._look_at, self._failures = fences, now + self._look_again_s, 0
        if held and now >= self._keep_at:
            self._keep_at = now + KEEP_EVERY_S
            for assigned in held:
                self._keep(connection, assigned)

    def _replay_all(self, connection: PsycopgConnection, assigned: Assigned) -> None:
        try:
            after: int | None = -1
            while self._waiters is not None and after is not None and not self._stopping.is_set():
                after = self._waiters.let_go(connection, assigned, after)
            while not self._stopping.is_set() and self._replay_page(connection, assigned):
                pass
        except Fenced as fenced:
            self._report.trouble("replay_fenced", fenced, assigned.partition)
            self._board.fenced(assigned)

    def _replay_page(self, connection: PsycopgConnection, assigned: Assigned) -> bool:
        """False when nothing more is to be done."""
        with connection.transaction():
            rows = parked.releasable(
                connection, self._how.group, assigned, PAGE, in_versions=self._versions is not None
            )
        if not rows:
            return False
        by_lane: dict[int, list[Parcel]] = {}
        parcels = unpack(rows, self._read(), assigned.partition, self._how.decode)
        for parcel in parcels if self._versions is None else in_versions_asked_for(parcels):
            by_lane.setdefault(lane_of(parcel.row.key or b"", len(assigned.lanes)), []).append(parcel)
        for lane, parcels in by_lane.items():
            self._replay_lane(connection, assigned, lane, parcels)
        self._doubts.note()
        return True

    def _replay_lane(
        self, connection: PsycopgConnection, assigned: Assigned, lane: int, parcels: Sequence[Parcel]
    ) -> None:
        held: set[bytes | None] = set()
        size = BATCH
        waiting = list(parcels)
        while waiting and not self._stopping.is_set():
            batch = [one for one in waiting[:size] if one.row.key is None or one.row.key not in held]
            if not batch:
                waiting = waiting[size:]
                continue
            bad = next((one for one in batch if one.event is None), None)
            try:
                if bad is not None:
                    raise Poison(batch.index(bad), bad.reason)
                self._replay(connection, assigned, lane, batch)
            except Poison as poison:
                poisoned = batch[poison.index]
                if poison.index:  # first what stands before it
                    size = waiting.index(poisoned)
                    continue
                self._hold(connection, assigned, poisoned, poison.reason)
                held.add(poisoned.row.key)
                waiting.remove(poisoned)
                size = BATCH
            except Exception as error:
                if not is_of_the_event(error):
                    raise
                if size > 1:  # fewer at a time show which one it is
                    size //= 2
                    continue
                self._hold(connection, assigned, batch[0], reason_of(error))
                held.add(batch[0].row.key)
                waiting = waiting[1:]
                size = BATCH
            else:
                waiting, size = waiting[size:], BATCH

    def _replay(self, connection: PsycopgConnection, assigned: Assigned, lane: int, batch: Sequence[Parcel]) -> None:
        """One transaction. `Poison.index` counts in `batch`."""
        with connection.transaction():
            still = parked.resolve(connection, self._how.group, assigned, sorted(one.row.offset for one in batch))
            todo = [index for index, one in enumerate(batch) if one.row.offset in still]
            events = [event for index in todo if (event := batch[index].event) is not None]
            if events:
                try:
                    if self._versions is not None:
                        asked_for = {one.event.event.aggregate_id for one in batch if one.event and one.row.requested}
                        self._versions.check(connection, events, asked_for)
                    self._how.handler(connection, events)
                    require_open(connection)
                except Poison as poison:
                    raise Poison(todo[poison.index], poison.reason) from poison
            self._how.fault_points.reach("replay.handled")
            if still:
                tell_freed(connection)
            parked.check_fence(connection, self._how.group, assigned, lane)
        self._how.fault_points.reach("replay.committed")
        self._report.count(Metric.REPLAYED, len(events), topic=assigned.partition.topic)

    def _hold(self, connection: PsycopgConnection, assigned: Assigned, parcel: Parcel, reason: str) -> None:
        with connection.transaction():
            if reason.startswith(WAITING):
                version_wait_sql.wait_on(connection, self._how.group, assigned, parcel.row.offset, reason)
            else:
                parked.hold(connection, self._how.group, assigned, parcel.row, reason)
        self._report.count(Metric.HELD_AGAIN, topic=assigned.partition.topic)

    def _keep(self, connection: PsycopgConnection, assigned: Assigned) -> None:
        """Copy what retention may take soon: the old end of the log, and what has been parked for long."""
        start, end = self._read().log_range(assigned.partition)
        below = start + round(KEEP_SHARE * (end - start))
        with connection.transaction():
            offsets = parked.at_risk(
                connection, self._how.group, assigned, below=below, older_s=KEEP_OLDER_S, limit=PAGE
            )
        if offsets:
            records = fetch(self._read(), assigned.partition, offsets)
            with connection.transaction():
                parked.keep(connection, self._how.group, assigned, records)
            self._report.count(Metric.KEPT, len(records), topic=assigned.partition.topic)

    def _rest(self, error: Exception) -> None:
        self._session.recover()
        self._drop_reader()
        self._failures += 1
        self._look_at = 0.0
        self._report.failed("replay_waits", error)
        self._stopping.wait(delay_s(self._settings.retry, self._failures, self._rng, defer_s=self._settings.defer_s))

    def _read(self) -> Reader:
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
