"""Keys that wait for a version of their aggregate are let go, as far as it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Poison
from outbox.consumer.middleware.versions import Discarded, Discards, VersionOrder, in_versions
from outbox.consumer.own_transaction import require_open
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.quarantine import parked, version_wait_sql
from outbox.consumer.quarantine.parked_events import PAGE, Parcel, unpack
from outbox.consumer.quarantine.parking import reason_of
from outbox.consumer.report import Report
from outbox.consumer.retry.rule import is_of_the_event
from outbox.consumer.settings import Metric
from outbox.event import ReceivedEvent
from outbox.kafka.port import Reader

Hold = Callable[[PsycopgConnection, Assigned, Parcel, str], None]


class Waiters:
    """Belongs to the release's thread. What cannot go is given to `hold`, with the reason."""

    def __init__(
        self,
        versions: VersionOrder,
        application: Application,
        report: Report,
        *,
        read: Callable[[], Reader],
        hold: Hold,
    ) -> None:
        self._versions, self._how, self._report = versions, application, report
        self._read, self._hold = read, hold

    def let_go(self, connection: PsycopgConnection, assigned: Assigned, after: int = -1) -> int | None:
        """A page of keys that begin behind the offset `after`; where the next one begins, or None.

        A transaction for each key that may go. `Fenced` if the partition is not ours any more.
        """
        with connection.transaction():
            if after < 0:
                version_wait_sql.give_up(connection, self._how.group, assigned, self._versions.said.wait_s)
            rows = version_wait_sql.waiting(connection, self._how.group, assigned, PAGE, after=after)
        if not rows:
            return None
        at = {one.row.offset: one for one in unpack(rows, self._read(), assigned.partition, self._how.decode)}
        keys: list[dict[int, Parcel]] = []
        for of_key in version_wait_sql.by_key(rows):
            parcels = {row.offset: at[row.offset] for row in of_key}
            bad = next((one for one in parcels.values() if one.event is None), None)
            if bad is None:
                keys.append(parcels)
            else:  # nobody knows its version: the key is a person's
                self._hold(connection, assigned, bad, bad.reason)
        if keys:
            with connection.transaction():  # who discards more of a key meanwhile is found when its rows are locked
                discarded = self._versions.discarded(connection, assigned.partition.topic, [*map(_key, keys)])
            for parcels in self._may_go(connection, keys, discarded):
                self._let_go_key(connection, assigned, parcels, discarded)
        return version_wait_sql.by_key(rows)[-1][0].offset

    def _may_go(
        self, connection: PsycopgConnection, keys: Sequence[dict[int, Parcel]], discarded: Discards
    ) -> list[dict[int, Parcel]]:
        """One question for all keys: most wait on. All of them, where an error of one key's data hides the answer."""
        try:
            with connection.transaction():
                done = self._versions.progress.handled(connection, [event for one in keys for event in _events(one)])
        except Exception as error:
            if not is_of_the_event(error):
                raise
            return list(keys)
        return [one for one in keys if in_versions(_events(one), done, _excused(one, discarded))[0]]

    def _let_go_key(
        self,
        connection: PsycopgConnection,
        assigned: Assigned,
        parcels: Mapping[int, Parcel],
        discarded: Discards,
    ) -> None:
        """In one transaction; after an error of the data one at a time, which shows which one has it."""
        left, at_most, excused = dict(parcels), len(parcels), _excused(parcels, discarded)
        while left:
            ready: list[ReceivedEvent] = []
            try:
                self._let_go_some(connection, assigned, left, ready, at_most=at_most, excused=excused)
            except Poison as poison:
                if poison.index:  # first what stands before it
                    at_most = poison.index
                    continue
                self._hold(connection, assigned, left[ready[0].offset], poison.reason)
                return
            except Exception as error:
                if not is_of_the_event(error):
                    raise
                if len(ready) > 1:
                    at_most = 1
                    continue
                bad = ready[0].offset if ready else min(left)
                self._hold(connection, assigned, left[bad], reason_of(error))
                return
            if not ready:
                return
            self._how.fault_points.reach("replay.committed")
            self._report.count(Metric.REPLAYED, len(ready), topic=assigned.partition.topic)
            left = {offset: one for offset, one in left.items() if offset not in {each.offset for each in ready}}

    def _let_go_some(
        self,
        connection: PsycopgConnection,
        assigned: Assigned,
        parcels: Mapping[int, Parcel],
        ready: list[ReceivedEvent],
        *,
        at_most: int,
        excused: Mapping[str, Discarded],
    ) -> None:
        """One transaction. Fills `ready` with what goes, before it goes."""
        versions = self._versions
        events = _events(parcels)
        with connection.transaction():
            if parked.lock(connection, self._how.group, assigned, list(parcels)) != parcels.keys():
                return  # a person was quicker
            going, left, missing = in_versions(events, versions.progress.handled(connection, events), excused)
            ready += going[:at_most]
            if not ready:
                return
            self._how.handler(connection, ready)
            require_open(connection)
            self._how.fault_points.reach("replay.handled")
            if left and len(ready) == len(going):
                version_wait_sql.wait_on(
                    connection, self._how.group, assigned, left[0].offset, versions.waiting(missing)
                )
            lane = lane_of(parcels[ready[0].offset].row.key or b"", len(assigned.lanes))
            offsets = sorted(one.offset for one in ready)
            parked.resolve(connection, self._how.group, assigned, offsets)
            parked.check_fence(connection, self._how.group, assigned, lane)


def _events(parcels: Mapping[int, Parcel]) -> list[ReceivedEvent]:
    return [one.event for one in parcels.values() if one.event is not None]


def _key(parcels: Mapping[int, Parcel]) -> bytes:
    return next(iter(parcels.values())).row.key or b""


def _excused(parcels: Mapping[int, Parcel], discarded: Discards) -> dict[str, Discarded]:
    return {one.event.aggregate_id: discarded.of(one.event, _key(parcels)) for one in _events(parcels)}
