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
from outbox.consumer.report import Report
from outbox.consumer.settings import Metric
from outbox.event import ReceivedEvent
from outbox.kafka.port import Reader

Hold = Callable[[PsycopgConnection, Assigned, Parcel, str], None]


class Waiters:
    """Belongs to the release's thread. What cannot go is given to `hold`, with the reason."""

    def __init__(
        self, versions: Versions, application: Application, report: Report, read: Callable[[], Reader], hold: Hold
    ) -> None:
        self._versions, self._how, self._report = versions, application, report
        self._read, self._hold = read, hold

    def let_go(self, connection: PsycopgConnection, assigned: Assigned) -> None:
        """One transaction for each key. `Fenced` if the partition is not ours any more."""
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
        versions = self._versions
        events = [one.event for one in parcels.values() if one.event is not None]
        ready: list[ReceivedEvent] = []
        try:
            with connection.transaction():
                if parked.lock(connection, self._how.group, assigned, list(parcels)) != parcels.keys():
                    return  # a person was quicker
                ready, left, missing = in_versions(
                    events,
                    versions.handled(connection, events),
                    {events[0].event.aggregate_id: versions.discarded(connection, events[0])},
                )
                if not ready:
                    return
                self._how.handler(connection, ready)
                self._how.checkpoints.reach("replay.handled")
                if left:
                    early.wait_on(connection, self._how.group, assigned, left[0].offset, versions.waiting(missing))
                lane = lane_of(parcels[ready[0].offset].row.key or b"", len(assigned.lanes))
                offsets = sorted(one.offset for one in ready)
                parked.resolve(connection, self._how.group, assigned, offsets)
                parked.check_fence(connection, self._how.group, assigned, lane)
        except Poison as poison:
            self._hold(connection, assigned, parcels[ready[poison.index].offset], poison.reason)
            return
        self._how.checkpoints.reach("replay.committed")
        self._report.count(Metric.REPLAYED, len(ready), topic=assigned.partition.topic)
