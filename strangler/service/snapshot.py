"""A snapshot of a service's rows from the outbox's table, in chunks, each with its watermark in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Poison
from outbox.event import ReceivedEvent
from outbox.fault_points import FaultPoints
from strangler.step.snapshot import chunk, end_under_way, highest, not_parked, store_under_way, under_way

CHUNK = 200
LOWEST = UUID(int=0)


@dataclass(slots=True)
class Snapshotted:
    """What became of the events. `refused`: ids and reasons; `quarantined`: left alone, they wait there.

    `seen`: of the subjects that were asked for, those of which the outbox still tells.
    """

    dispositions: Counter[Disposition] = field(default_factory=Counter)
    refused: list[tuple[UUID, str]] = field(default_factory=list)
    quarantined: int = 0
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`types`: the topic of each aggregate type that is read. `refs`: those subjects alone; None: all, and where it was
    stopped it goes on. `group`: whose quarantine it respects.
    """

    connection: PsycopgConnection
    step: str
    group: str
    handler: Answering
    types: Mapping[str, str]
    refs: Sequence[str] | None = None
    dry_run: bool = False
    progress: Callable[[Snapshotted], None] = lambda _: None
    give_way: Callable[[], None] = lambda: None
    fault_points: FaultPoints = field(default_factory=FaultPoints)

    def take(self, *, anew: bool) -> Snapshotted:
        """COMMITS, a chunk at a time. `connection` looks into the context's schema, in autocommit."""
        done = Snapshotted()
        whole = self.refs is None and not self.dry_run
        before = under_way(self.connection, self.step) if whole and not anew else None
        high = highest(self.connection)
        low, high = before or (LOWEST, high or LOWEST)
        while events := chunk(self.connection, (low, high), self.types, self.refs, CHUNK):
            self.give_way()
            low = events[-1].event.id
            self._apply(events, low, high, done, whole=whole)
            self.fault_points.reach("snapshot.committed")
            self.progress(done)
        if whole:
            end_under_way(self.connection, self.step)
        return done

    def _apply(self, events: list[ReceivedEvent], low: UUID, high: UUID, done: Snapshotted, *, whole: bool) -> None:
        """One transaction; what is poison is named and left out."""
        if self.refs is not None:
            done.seen |= {one.event.aggregate_id for one in events}
        found, events = len(events), not_parked(self.connection, self.group, events)
        done.quarantined += found - len(events)
        while True:
            try:
                with self.connection.transaction(force_rollback=self.dry_run):
                    dispositions = self.handler(self.connection, events)
                    if whole:
                        store_under_way(self.connection, self.step, low, high)
                    self.fault_points.reach("snapshot.written")
            except Poison as poison:
                bad = events.pop(poison.index)
                done.refused.append((bad.event.id, poison.reason))
            else:
                done.dispositions.update(dispositions)
                return
