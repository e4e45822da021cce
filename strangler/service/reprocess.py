"""Events once more through a service: a replay, a projection made anew beside live consumption, and a backfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import LiteralString

from outbox.connection import PsycopgConnection
from outbox.consumer.give_way import GiveWay
from outbox.consumer.lag.lost import lost
from outbox.consumer.reprocessing.rebuild import Projection, first_records, rebuild
from outbox.consumer.reprocessing.replay import Passed, Replayed, replay
from outbox.kafka.port import Reader, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from strangler.contexts import context_of
from strangler.errors import RefusedError
from strangler.service.declaration import Service
from strangler.service.giving_way import Say, giving_way
from strangler.service.rows import Rows
from strangler.service.settings import RunSettings
from strangler.service.snapshot import Snapshot, Snapshotted
from strangler.step.backfill import BackfillHandler, begin_anew, finish, is_begun, store_watermark, watermarks
from strangler.step.rebuild import RebuildHandler
from strangler.step.snapshot import SnapshotHandler

ALONE: LiteralString = "SELECT pg_try_advisory_lock(hashtextextended('projection.' || %(name)s, 0))"
SHED: LiteralString = "SELECT FROM claim WHERE step = %(step)s AND kind = 'shed' LIMIT 1"

Progress = Callable[[Replayed], None]
Starts = Callable[[Passed, Reader], Mapping[TopicPartition, int]]


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """A service opened to have its events once more. Made by `opened`; `connection` is in autocommit.

    `give_way` is called before each batch, `give_way_to_fed` where a batch may append events: they are others' work.
    """

    service: Service
    settings: RunSettings
    topics: list[str]
    reader: Reader
    connection: PsycopgConnection
    dry_run: bool
    progress: Progress
    give_way: Callable[[], None]
    give_way_to_fed: Callable[[], None]

    def replay(self, starts: Starts, keys: Set[bytes] | None = None) -> Replayed:
        """Events that it has passed, from `starts`, of these keys alone where some are given."""
        if not self.service.policy.replayable:
            raise RefusedError(
                f"refused: {self.service.name}'s policy says that it is not replayable; see `strangler policy show`"
            )
        passed = self._passed()
        return replay(
            self.reader,
            self.connection,
            self.service.handler(self.settings.fault_points),
            passed,
            starts(passed, self.reader),
            keys=keys,
            dry_run=self.dry_run,
            progress=self.progress,
            give_way=self._give_way_to_all,
        )

    def _give_way_to_all(self) -> None:
        self.give_way()
        self.give_way_to_fed()

    def rebuild(self) -> Replayed:
        """Its tables anew, from the first records; what it gave up before is made up for."""
        tables = self._projection("rebuild")
        handler = RebuildHandler(self.service.name, self.service.step(), self.service.apply_writes)
        self._alone()
        shed = self._make_up_for_shed()
        projection = Projection(self.service.schema, tables, self._group, self.topics)
        done = rebuild(
            self.reader,
            self.connection,
            projection,
            handler,
            dry_run=self.dry_run,
            progress=self.progress,
            give_way=self.give_way,
        )
        done.refused += [one for one in shed.refused if one not in done.refused]
        return done

    def backfill(self, *, anew: bool) -> Replayed:
        """The rows of subjects that legacy owns; goes on where an earlier one stopped."""
        name, connection = self.service.name, self.connection
        self._projection("backfill")
        handler = BackfillHandler(name, self.service.step(), self.service.apply_writes)
        self._alone()
        incarnations = self._incarnations()
        passed, ends = self._passed().by_all_lanes()
        if not ends:
            raise RefusedError(f"refused: {name} has never run, so nobody knows up to where; start it first")
        known = {} if anew else watermarks(connection, name, incarnations)
        unknown = Passed({one: lanes for one, lanes in passed.lanes.items() if one not in known}, passed.waiting)
        starts = {**first_records(self.reader, unknown), **known}
        if anew and not self.dry_run:
            begin_anew(connection, name)

        def keep(same: PsycopgConnection, partition: TopicPartition, at: int) -> None:
            store_watermark(same, name, partition, at, incarnations[partition.topic])

        done = replay(
            self.reader,
            connection,
            handler,
            passed,
            starts,
            dry_run=self.dry_run,
            progress=self.progress,
            keep=keep,
            give_way=self.give_way,
        )
        if not (done.skipped or self.dry_run):
            with connection.transaction():
                went_to = {one: max(at, starts[one]) for one, at in ends.items()}
                finish(connection, name, went_to, incarnations)
        return done

    def snapshot(self, refs: Sequence[str] | None, *, anew: bool) -> Snapshotted:
        """Its rows held against the outbox's table, of these subjects or of all, and mended; goes on where an earlier
        one of all stopped. Subjects that legacy owns come along where a backfill has brought some.
        """
        name, rows = self.service.name, self.service.writes
        if self.service.decide is None or not isinstance(rows, Rows):
            raise RefusedError(
                f"refused: {name} does not keep its rows by `Rows`, so nobody knows which of two is newer; "
                f"`strangler rebuild` makes tables anew, `strangler replay` handles events again"
            )
        self._alone()
        handler = SnapshotHandler(name, self.service.step(), rows.mend, theirs=is_begun(self.connection, name))
        prefix = self.settings.topic_prefix
        return Snapshot(
            self.connection,
            name,
            self._group,
            handler,
            {topic.removeprefix(prefix): topic for topic in self.topics},
            refs,
            self.dry_run,
            lambda done: self.progress(Replayed(done.dispositions)),
            self.give_way,
            self.settings.fault_points,
        ).take(anew=anew)

    @property
    def _group(self) -> str:
        return self.settings.group(self.service.name)

    def _passed(self) -> Passed:
        return Passed.of(self.connection, self._group, self.topics)

    def _projection(self, verb: str) -> tuple[str, ...]:
        if self.service.decide is None or not self.service.projection:
            raise RefusedError(
                f"refused: {self.service.name} declares no tables to {verb}; give it Rows or `tables`, or replay it"
            )
        return self.service.projection

    def _make_up_for_shed(self) -> Replayed:
        """Replay the past where something was given up: then it is applied as all the rest, and rebuilt with it."""
        if self.connection.execute(SHED, {"step": self.service.name}).fetchone() is None:
            return Replayed()
        return self.replay(from_start)

    def _incarnations(self) -> dict[str, str]:
        """Of the topics as they are; refused where the position is not in them: nobody knows up to where."""
        name = self.service.name
        with closing(PythonAdmin(self.settings.kafka, client_id=f"{name}-again")) as admin:
            gone = lost(self.connection, self._group, self.topics, admin, self.reader)
            if gone:
                places = ", ".join(f"{topic}/{number} ({why})" for (topic, number), why in gone.items())
                raise RefusedError(
                    f"refused: {name}'s position is not in the log of {places}, so nobody knows up to where; "
                    f"reconcile, set it, then backfill"
                )
            return {topic: state.incarnation for topic, state in admin.describe(self.topics).items()}

    def _alone(self) -> None:
        """One of its kind until the connection ends: a rebuild beside a backfill would swap its rows away."""
        row = self.connection.execute(ALONE, {"name": self.service.name}).fetchone()
        if row is None or not row[0]:
            raise RefusedError(
                f"refused: {self.service.name} is being rebuilt or backfilled already; wait for that to end"
            )


def from_start(passed: Passed, reader: Reader) -> Mapping[TopicPartition, int]:
    """From the first record that the topics still hold."""
    return {partition: reader.log_range(partition)[0] for partition in passed.lanes}


@contextmanager
def opened(
    service: Service,
    settings: RunSettings,
    *,
    subject: str,
    dry_run: bool,
    progress: Progress = lambda _: None,
    waits: Say | None = None,
    feeds: Sequence[Service] = (),
) -> Iterator[Reprocessing]:
    """`subject`: the topic of a service that names none. With `dry_run` everything is done, and nothing kept.

    `waits` is told, with a service's name, when it gives way to the live events of that, and None when it goes on; it
    never does where nobody is to be told. A replay, which may append events, gives way to those that read them too:
    `feeds`.
    """
    topics = settings.topics(context_of(service, subject).topics)
    with ExitStack() as stack:
        reader = stack.enter_context(closing(PythonReader(settings.kafka, client_id=f"{service.name}-again")))
        connection = stack.enter_context(closing(settings.connect(service.schema, autocommit=True)))
        to_own, to_fed = (
            [] if waits is None else stack.enter_context(giving_way(several, settings, subject, waits))
            for several in ([service], () if dry_run else feeds)
        )
        yield Reprocessing(
            service,
            settings,
            topics,
            reader,
            connection,
            dry_run,
            progress,
            partial(_each, to_own),
            partial(_each, to_fed),
        )


def _each(several: Sequence[GiveWay]) -> None:
    for give_way in several:
        give_way()
