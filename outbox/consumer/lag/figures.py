"""The lag of a group in records and seconds: by partition, by tenant and class, and what stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from outbox.consumer.lag.hot import Hot
from outbox.consumer.lag.scan import Scan, Waiting
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.kafka.port import TopicPartition

STANDS_AFTER_S = 5.0  # what is shorter is a hiccup: a retry, a takeover
SILENT_AFTER_S = 7.0  # nothing moved for so long though a member holds it and says nothing


@dataclass(frozen=True, slots=True)
class ParkedEvents:
    """Events of a partition in quarantine; `oldest_ms`: when the first of them was appended."""

    count: int = 0
    oldest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """`oldest_s`: the age of the oldest event that is not applied, whether it waits or is parked; None where there is
    none. Ages are by the time at which events were appended. `records` wait in the log; `exact` says whether they
    were counted. `next_offset`: all below is done; None where no member ever had the partition. `moved_s`: seconds
    since a lane moved.
    """

    topic: str
    partition: int
    records: int
    exact: bool
    oldest_s: float | None
    waiting_s: float | None
    parked: int
    parked_s: float | None
    next_offset: int | None
    end_offset: int | None
    moved_s: float | None


@dataclass(frozen=True, slots=True)
class TenantLag:
    """Of the records looked at, at most `SAMPLE` of each partition: who waits, how many, how old the oldest is."""

    tenant: str
    service_class: str
    records: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class GroupLag:
    """At one moment, in seconds of the epoch by the clock of the group's database.

    `members` live now; `seen_s`: seconds since one was seen, None where none ever was. `complete`: the tenants' figures
    are of all that waits. `hot`: partitions, keys, tenants that have far more of it than their share. `left`: topics
    with positions that the group does not read; they have no lag.
    """

    group: str
    at: float
    members: int
    seen_s: float | None
    partitions: tuple[PartitionLag, ...]
    tenants: tuple[TenantLag, ...]
    complete: bool
    standing: tuple[Standing, ...]
    left: tuple[str, ...]
    hot: tuple[Hot, ...] = ()

    @property
    def records(self) -> int:
        return sum(one.records for one in self.partitions)

    @property
    def oldest_s(self) -> float | None:
        return max((one.oldest_s for one in self.partitions if one.oldest_s is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        return {"records": self.records, "oldest_s": self.oldest_s, **asdict(self)}

    def aged(self, seconds: float) -> GroupLag:
        """The same so much later, where nothing more could be read."""
        return replace(
            self,
            at=self.at + seconds,
            seen_s=_plus(self.seen_s, seconds),
            partitions=tuple(
                replace(
                    one,
                    oldest_s=_plus(one.oldest_s, seconds),
                    waiting_s=_plus(one.waiting_s, seconds),
                    parked_s=_plus(one.parked_s, seconds),
                    moved_s=_plus(one.moved_s, seconds),
                )
                for one in self.partitions
            ),
            tenants=tuple(replace(one, oldest_s=one.oldest_s + seconds) for one in self.tenants),
            standing=tuple(replace(one, for_s=one.for_s + seconds) for one in self.standing),
        )


def partition_lag(
    partition: TopicPartition,
    *,
    now_ms: float,
    lanes: Sequence[int],
    end: int | None,
    scan: Scan | None,
    parked: ParkedEvents = ParkedEvents(),
    moved_ms: float | None = None,
) -> PartitionLag:
    """`lanes`: next offsets, none where no member ever had it; `scan`: None where nothing waits or nothing can be
    read, `end` is None where there is no log.
    """
    records, exact = (0, end is not None) if scan is None or end is None else scan.records(end)
    waiting_s = None if scan is None else age_s(now_ms, (one.appended_ms for one in scan.waiting))
    parked_s = None if parked.oldest_ms is None else age_s(now_ms, [parked.oldest_ms])
    ages = [age for age in (waiting_s, parked_s) if age is not None]
    return PartitionLag(
        *partition,
        records=records,
        exact=exact,
        oldest_s=max(ages, default=None),
        waiting_s=waiting_s,
        parked=parked.count,
        parked_s=parked_s,
        next_offset=min(lanes, default=None),
        end_offset=end,
        moved_s=None if moved_ms is None else age_s(now_ms, [moved_ms]),
    )


def tenants_of(waiting: Iterable[Waiting], now_ms: float) -> tuple[TenantLag, ...]:
    """Those that wait longest first; an event without tenant and class is nobody's in particular."""
    found: dict[tuple[str, str], list[Waiting]] = {}
    for one in waiting:
        if one.tenant or one.service_class:
            found.setdefault((one.tenant, one.service_class), []).append(one)
    lags = [
        TenantLag(*who, len(events), age_s(now_ms, (one.appended_ms for one in events)) or 0.0)
        for who, events in found.items()
    ]
    return tuple(sorted(lags, key=lambda one: (-one.oldest_s, one.tenant, one.service_class)))


def seen_standing(
    lag: PartitionLag,
    *,
    arrived_s: float | None,
    came_s: float | None,
    held: bool,
    unseen_s: float | None,
    said: Sequence[Standing],
) -> Standing | None:
    """What is seen from outside: records wait and nobody holds the partition, or who does neither moves nor speaks.

    `arrived_s`: for how long the first one has waited in the log; `came_s`: since when the lane that is furthest behind
    stands there; `unseen_s`: since when no member was seen. `said`: by the members that hold it.
    """
    if arrived_s is None or arrived_s < STANDS_AFTER_S:
        return None
    if not held:
        for_s = arrived_s if unseen_s is None else min(arrived_s, unseen_s)
        return _of(lag, StandingCause.NO_MEMBER, for_s) if for_s >= STANDS_AFTER_S or unseen_s is None else None
    idle_s = arrived_s if came_s is None else min(came_s, arrived_s)
    if idle_s < SILENT_AFTER_S or any(_covers(one, lag) for one in said):
        return None
    return _of(lag, StandingCause.NOT_MOVING, idle_s)


def lasting(said: Iterable[Standing]) -> list[Standing]:
    """Without the hiccups, and without what is worked off in its turn."""
    worth = [one for one in said if one.cause is not StandingCause.WAITS_ITS_TURN]
    return [one for one in worth if one.for_s >= STANDS_AFTER_S or one.cause in AT_ONCE_SAID]


# No retry ends these, or it is no hiccup from the start.
AT_ONCE_SAID = frozenset(
    {
        StandingCause.POSITION_LOST,
        StandingCause.UNREADABLE,
        StandingCause.SOURCE_BROKEN,
        StandingCause.TOPIC_MISSING,
        StandingCause.GIVES_WAY,
    }
)


def age_s(now_ms: float, times_ms: Iterable[float]) -> float | None:
    """Of the earliest; never below 0, whatever a producer's clock says."""
    earliest = min(times_ms, default=None)
    return None if earliest is None else round(max(0.0, now_ms - earliest) / 1000, 3)


def missing(topic: str, for_s: float) -> Standing:
    return Standing(
        StandingCause.TOPIC_MISSING, for_s, topic, detail="the broker does not know it; make it, or mend its name"
    )


def _covers(said: Standing, lag: PartitionLag) -> bool:
    """Whether it says why the partition stands; without a topic it is of all that its member holds."""
    return said.topic in {lag.topic, None} and said.partition in {lag.partition, None}


def _of(lag: PartitionLag, cause: StandingCause, for_s: float) -> Standing:
    return Standing(cause, for_s, lag.topic, lag.partition, offset=lag.next_offset)


def _plus(age: float | None, seconds: float) -> float | None:
    return None if age is None else round(age + seconds, 3)
