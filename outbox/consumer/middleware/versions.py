"""Versions of an aggregate are handled one after another: an event that comes too early waits for the one before it.

It waits in quarantine, which survives a restart and holds back its key only. The release lets it go when the missing
version is there; when that has not come in time, a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Poison
from outbox.consumer.triage import WAITING
from outbox.errors import ConfigurationError
from outbox.event import Event, ReceivedEvent
from outbox.policy import Versions


class Done(NamedTuple):
    """How far a consumer has come with an aggregate: its newest version, and how many of them it has handled."""

    newest: int
    versions: int


Handled = Callable[[PsycopgConnection, Sequence[ReceivedEvent]], Mapping[str, Done]]

OVERDUE = "waited in vain for version"

# What a person has discarded will never be handled. No index serves it.
_DISCARDED = """
SELECT key, aggregate_id, array_agg(DISTINCT aggregate_version), count(*) FROM quarantine
WHERE group_name = %(group)s AND topic = %(topic)s AND key = ANY(%(keys)s) AND resolution = 'discarded'
GROUP BY key, aggregate_id"""


class Discarded(NamedTuple):
    """Of an aggregate: `versions` need not come, and so many others of it, as many as were `unread` of its key."""

    versions: Set[int] = frozenset()
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Discards:
    """What a person has discarded, by key."""

    versions: Mapping[tuple[bytes, bytes], Set[int]]  # by aggregate too
    unread: Mapping[bytes, int]

    def of(self, event: Event, key: bytes) -> Discarded:
        """Of its aggregate."""
        return Discarded(self.versions.get((key, event.aggregate_id.encode()), frozenset()), self.unread.get(key, 0))


class Gap(NamedTuple):
    """The event at that place comes before `missing`, the version that its aggregate waits for."""

    at: int
    missing: int


@dataclass(frozen=True, slots=True)
class VersionProgress:
    """What knows how far a handler has come: `handled(connection, events)` answers what is done of each aggregate of
    the events; one that it leaves out is not waited for. It is asked only about events behind their first version.

    A version above `highest` cannot be: the handler is left to say so.

    Right only where the consumer handles every version of such an aggregate: what it passes over looks missing.
    """

    handled: Handled
    highest: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class VersionOrder:
    """What comes too early in a group, by its policy's `Versions`."""

    group: str
    said: Versions
    progress: VersionProgress

    @classmethod
    def of(cls, said: Versions | None, group: str, progress: VersionProgress | None) -> VersionOrder | None:
        """None where nothing is waited for. `ConfigurationError` where it is, and nobody knows for what."""
        if said is None:
            return None
        if progress is None:
            raise ConfigurationError(
                f"group {group!r} waits for versions, and nobody knows how far it has come; give progress="
            )
        return cls(group, said, progress)

    def check(
        self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], asked_for: Set[str] = frozenset()
    ) -> None:
        """`Poison` at the first event that comes too early; aggregates in `asked_for` may go as they are."""
        later = [one for one in events if one.event.aggregate_version > 1]
        if not later:
            return
        found = self.progress.handled(connection, later)
        done = {ref: one for ref, one in found.items() if ref not in asked_for}
        excused: dict[str, Discarded] = {}
        while (gap := first_gap(events, done, excused, self.progress.highest)) is not None:
            event = events[gap.at].event
            if event.aggregate_id in excused:
                raise Poison(gap.at, self.waiting(gap.missing))
            key = key_of(event)
            excused[event.aggregate_id] = self.discarded(connection, events[gap.at].topic, [key]).of(event, key)

    def waiting(self, missing: int) -> str:
        """Why an event is parked. The release knows it by its beginning."""
        return f"{WAITING} {missing}: policy:{self.group}.versions.wait_s={self.said.wait_s}"

    def discarded(self, connection: PsycopgConnection, topic: str, keys: Sequence[bytes]) -> Discards:
        """What a person has discarded of the keys: those versions need not come."""
        names = {"group": self.group, "topic": topic, "keys": list(keys)}
        rows = connection.execute(_DISCARDED, names).fetchall()
        versions = {(bytes(key), bytes(ref)): frozenset(seen) for key, ref, seen, _ in rows if ref is not None}
        return Discards(versions, {bytes(key): int(count) for key, ref, _, count in rows if ref is None})


class InVersions:
    """A handler before the handler. What comes too early is poison: parked, its key behind it."""

    def __init__(self, handler: Answering, order: VersionOrder) -> None:
        self._handler, self._order = handler, order

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        self._order.check(connection, events)
        return self._handler(connection, events)


def first_gap(
    events: Sequence[ReceivedEvent],
    done: Mapping[str, Done],
    excused: Mapping[str, Discarded] | None = None,
    highest: int = 2**63 - 1,
) -> Gap | None:
    """The first event behind a version that is neither done nor excused."""
    now = dict(done)
    for at, received in enumerate(events):
        ref, version = received.event.aggregate_id, received.event.aggregate_version
        if ref not in now or version > highest:
            continue
        newest, versions = now[ref]
        if version > newest + 1:
            reached = _reached(now[ref], (excused or {}).get(ref, Discarded()))
            if version > reached + 1:
                return Gap(at, reached + 1)
        if version > newest:
            now[ref] = Done(version, versions + 1)
    return None


def _reached(done: Done, discarded: Discarded) -> int:
    """The version up to which none has to come. What was discarded unread excuses any version, and each one only."""
    spare = discarded.unread
    if spare:
        passed = done.newest - done.versions - sum(1 for one in discarded.versions if one <= done.newest)
        spare -= min(spare, max(0, passed))
    reached = done.newest
    while reached + 1 in discarded.versions or spare:
        spare -= reached + 1 not in discarded.versions
        reached += 1
    return reached


def in_versions(
    events: Sequence[ReceivedEvent], done: Mapping[str, Done], excused: Mapping[str, Discarded]
) -> tuple[list[ReceivedEvent], list[ReceivedEvent], int]:
    """What of a key's waiting events may go now, in the order of versions; what waits on, in the log's; for which
    version. Pure.
    """
    ordered = sorted(events, key=lambda one: (one.event.aggregate_version, one.offset))
    gap = first_gap(ordered, done, excused)
    if gap is None:
        return ordered, [], 0
    left = sorted(ordered[gap.at :], key=lambda one: one.offset)
    return ordered[: gap.at], left, gap.missing


def key_of(event: Event) -> bytes:
    """As the producer keys it."""
    return (event.partition_key or event.aggregate_id).encode()
