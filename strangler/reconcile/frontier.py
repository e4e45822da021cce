"""The frontier: how far the new side must have come before anything is called missing. Pure; `reach` waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from outbox.consumer.partitions.lanes import lane_of
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition, TopicState
from strangler.reconcile.subject_evidence import Visibility
from strangler.step.intents import Json


@dataclass(frozen=True, slots=True)
class Ends:
    """The topics as they were after the relay had confirmed the snapshot: everything before is in them."""

    topics: Mapping[str, TopicState]
    offsets: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of a context's `position` table."""

    topic: str
    partition: int
    lane: int
    lanes: int
    incarnation: str
    next_offset: int


@dataclass(frozen=True, slots=True)
class LaneFrontier:
    """Where one lane stands. `why` says why it is unknown."""

    state: Visibility
    why: str = ""


@dataclass(frozen=True, slots=True)
class StepFrontier:
    """How far one step's consumers have come. `why_unknown` holds for all subjects, `lanes` for each key's own."""

    topics: Mapping[str, int] = field(default_factory=dict)
    lanes: Mapping[TopicPartition, Sequence[LaneFrontier]] = field(default_factory=dict)
    why_unknown: str = ""

    def of_key(self, key: str) -> LaneFrontier:
        """The state of an order by the Kafka key of its events: passed if its lane of every topic has."""
        if self.why_unknown:
            return LaneFrontier(Visibility.UNKNOWN, self.why_unknown)
        found = [self._lane(topic, partitions, key.encode()) for topic, partitions in self.topics.items()]
        for state in (Visibility.UNKNOWN, Visibility.BEHIND):
            for lane in found:
                if lane.state is state:
                    return lane
        return LaneFrontier(Visibility.PASSED)

    def decided(self) -> bool:
        """Whether there is nothing left that waiting could change."""
        states = {lane.state for lanes in self.lanes.values() for lane in lanes}
        return bool(self.why_unknown) or Visibility.BEHIND not in states

    def to_json(self) -> dict[str, Json]:
        counts = {state.value: 0 for state in Visibility}
        for lanes in self.lanes.values():
            for lane in lanes:
                counts[lane.state.value] += 1
        whys = sorted({lane.why for lanes in self.lanes.values() for lane in lanes if lane.why})
        return {"lanes": counts, "why_unknown": self.why_unknown or "; ".join(whys[:3])}

    def _lane(self, topic: str, partitions: int, key: bytes) -> LaneFrontier:
        lanes = self.lanes[TopicPartition(topic, partition_of(key, partitions))]
        return lanes[lane_of(key, len(lanes))]


def step_frontier(
    topics: Sequence[str], ends: Ends, marks: Iterable[Mark], limits: Mapping[TopicPartition, int] | None = None
) -> StepFrontier:
    """Compare a group's stored positions with the ends of its topics.

    A partition that was never assigned has one lane, which is behind: nobody has said how many it will have.
    `limits` are ends read after the marks: a position beyond them is of a log that has lost its tail.
    """
    absent = [topic for topic in topics if topic not in ends.topics]
    if absent or not topics:
        return StepFrontier(why_unknown=f"Kafka has no topic {', '.join(absent) or '(none is named)'}")
    rows: dict[TopicPartition, list[Mark]] = {}
    for mark in marks:
        rows.setdefault(TopicPartition(mark.topic, mark.partition), []).append(mark)
    lanes = {}
    for topic in topics:
        for number in range(ends.topics[topic].partitions):
            partition = TopicPartition(topic, number)
            end, incarnation = ends.offsets.get(partition), ends.topics[topic].incarnation
            limit = sys.maxsize if limits is None else limits.get(partition)
            lanes[partition] = _lanes(partition, end, limit, incarnation, rows.get(partition, []))
    return StepFrontier({topic: ends.topics[topic].partitions for topic in topics}, lanes)


def _lanes(
    partition: TopicPartition, end: int | None, limit: int | None, incarnation: str, marks: Sequence[Mark]
) -> list[LaneFrontier]:
    name = f"{partition.topic}-{partition.partition}"
    if end is None or limit is None:
        return [LaneFrontier(Visibility.UNKNOWN, f"Kafka does not tell the end of {name}")]
    counts = {mark.lanes for mark in marks}
    if len(counts) > 1:
        return [
            LaneFrontier(
                Visibility.UNKNOWN, f"{name} is stored with {sorted(counts)} lanes; its keys' lanes are ambiguous"
            )
        ]
    by_lane = {mark.lane: mark for mark in marks}
    return [_lane(name, end, limit, incarnation, by_lane.get(lane)) for lane in range(max(counts, default=1))]


def _lane(name: str, end: int, limit: int, incarnation: str, mark: Mark | None) -> LaneFrontier:
    if mark is None:
        return LaneFrontier(Visibility.BEHIND)
    if mark.incarnation != incarnation:
        return LaneFrontier(Visibility.UNKNOWN, f"{name} was deleted and made again since the group read it")
    if mark.next_offset > limit:
        return LaneFrontier(
            Visibility.UNKNOWN, f"{name} lane {mark.lane} is stored at {mark.next_offset}, beyond the end {limit}"
        )
    return LaneFrontier(Visibility.PASSED if mark.next_offset >= end else Visibility.BEHIND)
