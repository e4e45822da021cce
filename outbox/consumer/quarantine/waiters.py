"""Keys that wait for a version of their aggregate are let go, as far as it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Poison
from outbox.consumer.middleware.versions import Versions, in_versions
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.quarantine import early, parked
from outbox.consumer.quarantine.parcels import PAGE, Parcel, unpack
from outbox.consumer.quarantine.parking import reason_of
from outbox.consumer.report import Report
from outbox.consumer.retry.rule import Classify, Trouble
from outbox.consumer.settings import Metric
from outbox.event import ReceivedEvent
from outbox.kafka.port import Reader

Hold = Callable[[PsycopgConnection, Assigned, Parcel, str], None]


class Waiters:
    """Belongs to the release's thread. What cannot go is given to `hold`, with the reason."""

    def __init__(
        self,
        versions: Versions,
        application: Application,
        report: Report,
        *,
        read: Callable[[], Reader],
        hold: Hold,
        classify: Classify,
    ) -> None:
        self._versions, self._how, self._report, self._classify = versions, application, report, classify
        self._read, self._hold = read, hold

    def let_go(self, connection: PsycopgConnection, assigned: Assigned) -> None:
        """A transaction for each key. `Fenced` if the partition is not ours any more."""
        with connection.transaction():
            early.give_up(connection, self._how.group, assigned, self._versions.wait_s)
            rows = early.waiting(connection, self._how.group, assigned, PAGE)
        if not rows:
            return
        unpacked = unpack(rows, self._read(), assigned.partition, self._how.decode)
        at = {parcel.row.offset: parcel for parcel in unpacked}
        for of_key in early.by_key(rows):
            parcels = {row.offset: at[row.offset] for row in of_key}
            bad = next((one for one in parcels.values() if one.event is None), None)
            if bad is None:
                self._let_go_key(connection, assigned, parcels)
            else:  # nobody knows its version: the key is a person's
                self._hold(connection, assigned, bad, bad.reason)

    def _let_go_key(self, connection: PsycopgConnection, assigned: Assigned, parcels: Mapping[int, Parcel]) -> None:
        """In one transaction; after an error of the data one at a time, which shows which one has it."""
        left, at_most = dict(parcels), len(parcels)
        while left:
            ready: list[ReceivedEvent] = []
            try:
                self._let_go_some(connection, assigned, left, ready, at_most)
            except Poison as poison:
                if poison.index:  # first what stands before it
                    at_most = poison.index
                    continue
                self._hold(connection, assigned, left[ready[0].offset], poison.reason)
                return
            except Exception as error:
                if self._classify(error) is not Trouble.PERMANENT:
                    raise
                if len(ready) > 1:
                    at_most = 1
                    continue
                bad = ready[0].offset if ready else min(left)
                self._hold(connection, assigned, left[bad], reason_of(error))
                return
            if not ready:
                return
            self._how.checkpoints.reach("replay.committed")
            self._report.count(Metric.REPLAYED, len(ready), topic=assigned.partition.topic)
            left = {offset: one for offset, one in left.items() if offset not in {each.offset for each in ready}}

    def _let_go_some(
        self,
        connection: PsycopgConnection,
        assigned: Assigned,
        parcels: Mapping[int, Parcel],
        ready: list[ReceivedEvent],
        at_most: int,
    ) -> None:
        """One transaction. Fills `ready` with what goes, before it goes."""
        versions = self._versions
        events = [one.event for one in parcels.values() if one.event is not None]
        with connection.transaction():
            if parked.lock(connection, self._how.group, assigned, list(parcels)) != parcels.keys():
                return  # a person was quicker
            going, left, missing = in_versions(
                events,
                versions.handled(connection, events),
                {events[0].event.aggregate_id: versions.discarded(connection, events[0])},
            )
            ready += going[:at_most]
            if not ready:
                return
            self._how.handler(connection, ready)
            self._how.checkpoints.reach("replay.handled")
            if left and len(ready) == len(going):
                early.wait_on(connection, self._how.group, assigned, left[0].offset, versions.waiting(missing))
            lane = lane_of(parcels[ready[0].offset].row.key or b"", len(assigned.lanes))
            offsets = sorted(one.offset for one in ready)
            parked.resolve(connection, self._how.group, assigned, offsets)
            parked.check_fence(connection, self._how.group, assigned, lane)
