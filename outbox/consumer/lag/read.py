"""Reads the lag of a group where it is true: next offsets in its database, append times in the log."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from outbox.connection import PsycopgConnection
from outbox.consumer.append_time import appended_ms, id_ms
from outbox.consumer.lag.figures import (
    GroupLag,
    ParkedEvents,
    PartitionLag,
    age_s,
    lasting,
    missing,
    partition_lag,
    seen_standing,
    tenants_of,
)
from outbox.consumer.lag.hot import Hot, hot, hot_partitions
from outbox.consumer.lag.scan import FacetsOf, Scan, Waiting, no_facets
from outbox.consumer.lag.stored import ParkedPlace, Stored, StoredParked, StoredPosition, stored
from outbox.consumer.partitions.in_log import why_lost
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.quarantine.kept_headers import decoded
from outbox.errors import PositionLost, Unreadable
from outbox.kafka.port import Admin, Reader, TopicPartition, TopicState


@dataclass(frozen=True, slots=True)
class Looked:
    """A group's lag, and what it was read from: where its lanes stand in its topics, and the first records that wait,
    at most `SAMPLE` of each partition. `parked`: its events in quarantine, also of topics that it reads no more.
    """

    lag: GroupLag
    positions: Sequence[StoredPosition]
    waiting: Mapping[TopicPartition, Sequence[Waiting]]
    parked: int


class LagReader:
    """For one thread. It keeps what it has read while it is still waiting, so a look costs what is new.

    Anybody may look, beside the members or after them: nothing is written, no group is joined.
    """

    def __init__(
        self, *, group: str, topics: Sequence[str], admin: Admin, reader: Reader, facets_of: FacetsOf = no_facets
    ) -> None:
        self._group, self._topics, self._admin, self._reader = group, tuple(topics), admin, reader
        self._facets_of = facets_of
        self._scans: dict[TopicPartition, tuple[str, Scan]] = {}
        self._parked_ms: dict[ParkedPlace, int] = {}

    def read(self, connection: PsycopgConnection) -> GroupLag:
        """`connection` looks into the group's schema. Raises `DependencyDown` and psycopg's errors."""
        return self.look(connection).lag

    def look(self, connection: PsycopgConnection) -> Looked:
        """The same with what it is made of."""
        found = stored(connection, self._group)
        look = _Look(self, found)
        lag = look.lag()
        self._scans = {one: scan for one, scan in self._scans.items() if one in look.scanned}
        self._parked_ms = {place: ms for place, ms in self._parked_ms.items() if place in look.parked}
        positions = [one for one in found.positions if one.partition.topic in self._topics]
        waiting = {partition: tuple(scan.waiting) for partition, (_, scan) in self._scans.items()}
        return Looked(lag, positions, waiting, sum(one.count for one in found.parked))

    def scan_of(self, partition: TopicPartition, incarnation: str, lanes: Sequence[int]) -> Scan:
        """As it was left, unless the topic was made anew or a position set back."""
        before = self._scans.get(partition)
        if before is None or before[0] != incarnation or not before[1].follows(lanes):
            before = self._scans[partition] = incarnation, Scan.of(lanes, self._facets_of)
        return before[1]

    def forget(self, partition: TopicPartition) -> None:
        """Begin anew at the next look."""
        self._scans.pop(partition, None)

    def parked_ms(self, parked: StoredParked, *, in_log: bool) -> int:
        """When it was appended; where neither the log nor what was kept tells, when it was parked."""
        place = parked.place
        if place not in self._parked_ms:
            self._parked_ms[place] = self._told_ms(parked, in_log=in_log)
        return self._parked_ms[place]

    @property
    def kept(self) -> tuple[Collection[TopicPartition], Collection[ParkedPlace]]:
        """What is kept for the next look: of which partitions what waits, of which parked events their time."""
        return self._scans.keys(), self._parked_ms.keys()

    def _told_ms(self, parked: StoredParked, *, in_log: bool) -> int:
        parked_ms = round(parked.parked_at * 1000)
        told = None if parked.kept_headers is None else id_ms(decoded(parked.kept_headers))
        if told is None and in_log:
            with suppress(PositionLost, Unreadable):
                for record in self._reader.read(parked.partition, parked.offset, 1):
                    told = appended_ms(record) if record.offset == parked.offset else None
        return parked_ms if told is None else min(told, parked_ms)

    @property
    def names(self) -> tuple[str, tuple[str, ...], Admin, Reader]:
        return self._group, self._topics, self._admin, self._reader


class _Look:
    """One look; what it finds to stand is gathered on the way."""

    def __init__(self, lag_reader: LagReader, found: Stored) -> None:
        self._kept, self._found = lag_reader, found
        self._group, self._topics, self._admin, self._reader = lag_reader.names
        self._now_ms = found.at * 1000
        self._members = [member for member in found.members if member.lives]
        self._unseen_s = min((member.seen_s for member in found.members), default=None)
        said = [replace(one, for_s=one.for_s + member.seen_s) for member in self._members for one in member.standing]
        self._standing: list[Standing] = [self._placed(one) for one in said if one.topic in {None, *self._topics}]
        self._scans: dict[TopicPartition, Scan] = {}
        self._whole = True
        self.scanned: set[TopicPartition] = set()
        self.parked = {one.place for one in found.parked}

    def lag(self) -> GroupLag:
        states = self._admin.describe(self._topics)
        ends = self._admin.end_offsets(list(states))
        positions = {one.partition: one for one in self._found.positions}
        partitions = tuple(self._partitions(states, ends, positions))
        for topic in self._topics:
            if topic not in states:
                moved = max((one.moved_at for one in positions.values() if one.partition.topic == topic), default=None)
                self._stands(missing(topic, 0.0 if moved is None else self._found.at - moved))
        return GroupLag(
            group=self._group,
            at=self._found.at,
            members=len(self._members),
            seen_s=self._unseen_s,
            partitions=partitions,
            tenants=tenants_of((one for scan in self._scans.values() for one in scan.waiting), self._now_ms),
            hot=tuple(self._hot(partitions)),
            complete=self._whole,
            standing=tuple(lasting(self._standing)),
            left=tuple(sorted({one.topic for one in positions} - set(self._topics))),
        )

    def _hot(self, partitions: Sequence[PartitionLag]) -> Iterator[Hot]:
        sampled = {
            f"{topic}/{number}": [one.of for one in scan.waiting] for (topic, number), scan in self._scans.items()
        }
        yield from hot_partitions({f"{one.topic}/{one.partition}": one.records for one in partitions}, sampled)
        yield from hot(facets for events in sampled.values() for facets in events)

    def _partitions(
        self,
        states: Mapping[str, TopicState],
        ends: Mapping[TopicPartition, int],
        positions: Mapping[TopicPartition, StoredPosition],
    ) -> Iterator[PartitionLag]:
        for partition in sorted({*ends, *(one for one in positions if one.topic in self._topics)}):
            at, state, end = positions.get(partition), states.get(partition.topic), ends.get(partition)
            incarnation = "" if state is None else state.incarnation
            if state is None or end is None:
                # Of a topic that is not there, that is said once for all of it.
                if state is not None and at is not None and (why := self._why_lost(at, state)) is not None:
                    self._lost(at, why)
                scan, end = None, None
            elif at is not None and set(at.lanes) == {end} and set(at.incarnations) == {incarnation}:
                scan = None  # all is done
            else:
                scan, end = self._scanned(partition, at, state)
            yield self._partition(partition, at, incarnation, scan, end)

    def _partition(
        self, partition: TopicPartition, at: StoredPosition | None, incarnation: str, scan: Scan | None, end: int | None
    ) -> PartitionLag:
        parked = [one for one in self._found.parked if one.partition == partition]
        found = partition_lag(
            partition,
            now_ms=self._now_ms,
            lanes=() if at is None else at.lanes,
            end=end,
            scan=scan,
            parked=self._parked(parked, incarnation),
            moved_ms=None if at is None else at.moved_at * 1000,
        )
        if scan is not None:
            self._scans[partition] = scan
            self._whole = self._whole and found.exact
        arrived_s = None if scan is None else age_s(self._now_ms, (one.arrived_ms for one in scan.waiting))
        holders = [member for member in self._members if partition in (member.held or ())]
        said = [one for member in holders for one in member.standing]
        came_s = None if at is None else age_s(self._now_ms, [at.came_at * 1000])
        seen = seen_standing(
            found, arrived_s=arrived_s, came_s=came_s, held=bool(holders), unseen_s=self._unseen_s, said=said
        )
        if seen is not None:
            self._stands(seen)
        return found

    def _scanned(self, partition: TopicPartition, at: StoredPosition | None, state: TopicState) -> tuple[Scan, int]:
        """With the end up to which may be read. What was read before stays, where no more can be.

        Of a position that is not in the log nobody knows what was done: all that the log holds waits.
        """
        start, end = self._reader.log_range(partition)
        lanes = (start,) if at is None else at.lanes
        if at is not None and (why := self._why_lost(at, state, (start, end))) is not None:
            self._lost(at, why)
            lanes = (start,)
        scan = self._kept.scan_of(partition, state.incarnation, lanes)
        self.scanned.add(partition)
        try:
            scan.look(lanes, end, lambda offset, limit: self._reader.read(partition, offset, limit))
        except Unreadable as error:
            if not scan.waiting:  # else it does not stand there yet
                self._stands(
                    Standing(StandingCause.UNREADABLE, 0.0, *partition, offset=error.offset, detail=str(error))
                )
        except PositionLost:
            self._kept.forget(partition)  # the log's start moved on meanwhile: the next look says it
        return scan, end

    def _why_lost(self, at: StoredPosition, state: TopicState, log: tuple[int, int] | None = None) -> str | None:
        def log_range(partition: TopicPartition) -> tuple[int, int]:
            return self._reader.log_range(partition) if log is None else log

        return why_lost(at.partition, at.lanes, at.incarnations, state, log_range)

    def _lost(self, at: StoredPosition, why: str) -> None:
        for_s = max(0.0, self._found.at - at.moved_at)
        self._stands(Standing(StandingCause.POSITION_LOST, for_s, *at.partition, offset=min(at.lanes), detail=why))

    def _placed(self, said: Standing) -> Standing:
        """With the lowest offset of its partition, where no event is to blame."""
        at = next((at for at in self._found.positions if at.partition == (said.topic, said.partition)), None)
        return said if at is None or said.offset is not None else replace(said, offset=min(at.lanes))

    def _stands(self, found: Standing) -> None:
        """Once for each cause and place: a member may have said it already, and knows more."""
        said = {(one.cause, one.topic, one.partition) for one in self._standing}
        if (found.cause, found.topic, found.partition) not in said:
            self._standing.append(found)

    def _parked(self, parked: Sequence[StoredParked], incarnation: str) -> ParkedEvents:
        told = [self._kept.parked_ms(one, in_log=one.incarnation == incarnation) for one in parked]
        return ParkedEvents(sum(one.count for one in parked), min(told, default=None))
