"""The consumer runtime: its parts, its threads, its beginning and end.

The poll thread takes in (`Intake`) and waits for neither a handler nor the database. Workers apply runs of a lane, the
keeper keeps position rows. Whatever ends one thread ends `run`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import NamedTuple

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.downstream import Downstream
from outbox.consumer.give_way import GiveWay
from outbox.consumer.handler import Handler, InParallel, answering
from outbox.consumer.intake import Intake
from outbox.consumer.keyed_pool import pool_for
from outbox.consumer.middleware.expiry import Expiry
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.middleware.stack import Middleware
from outbox.consumer.middleware.versions import VersionOrder, VersionProgress
from outbox.consumer.originals import Originals
from outbox.consumer.over_budget import Spent
from outbox.consumer.partitions.assignments import Assignments
from outbox.consumer.partitions.lane_scheduler import Clock, LaneScheduler
from outbox.consumer.partitions.position_thread import PositionThread
from outbox.consumer.partitions.presence import Presence, standing_of
from outbox.consumer.partitions.stall_recovery import Healing
from outbox.consumer.partitions.standing import Standing
from outbox.consumer.partitions.topic_watch import TopicWatch
from outbox.consumer.quarantine.release import Release
from outbox.consumer.report import Report, ignore
from outbox.consumer.retry.budget import RetryBudget
from outbox.consumer.retry.credits import BudgetRule
from outbox.consumer.retry.flood import FloodGuard
from outbox.consumer.retry.retries import Retries
from outbox.consumer.session import Connect, Session, Sessions
from outbox.consumer.settings import Observe, RuntimeSettings
from outbox.consumer.threads import Threads
from outbox.consumer.triage import Decode
from outbox.consumer.worker import Worker
from outbox.errors import OutboxError
from outbox.fault_points import FaultPoints
from outbox.kafka.codec import from_record
from outbox.kafka.port import Admin, GroupMember, Reader, TopicPartition

END_THREADS_WITHIN_S = 1.0  # who hangs is left behind, and its transaction is rolled back


class Saturation(NamedTuple):
    """`lanes`: per open partition the busy ones, and all. `rate`: events a second, None without a limit."""

    lanes: Mapping[TopicPartition, tuple[int, int]]
    connections_in_use: int
    connections: int
    rate: float | None


class Busy(NamedTuple):
    """Records and bytes held per open partition; the lanes whose head is put off or tried again, for how many seconds
    at the end of each; the workers, and the runs that they have taken.
    """

    load: Mapping[TopicPartition, tuple[int, int]]
    retrying: Sequence[tuple[TopicPartition, int, int, int, float]]
    workers: int
    runs: int


class ConsumerRuntime:
    """Applies every event of `topics` once per `group`: effects and position commit together.

    `consumer` is a new member that this runtime subscribes and closes; `admin` stays the caller's. `connect` gives a
    connection whose search_path is the context's schema (tables `position`, `quarantine`). Order is kept per key.
    Failures of the handler are tried again without end, `Poison` is parked with the later events of its key.
    `budget` is for whoever shares the group's retries, an effect sender say; else the runtime makes its own.
    `progress` knows how far the handler has come, for `settings.versions`.
    `expiry` says what becomes of late work before the handler sees it, `shedding` what may be given up, and how.
    `reader` makes what reads the log for repeats, and for parked keys that a person releases; the runtime closes it.
    `sources` are the databases whose events these are (`Installation.sources`): an event of another one stops its
    partition. Not told, another source than the one before does.
    `feeds`: whom its handler makes work for. While one of them must be given way to, this member takes
    `settings.floor_per_s` events a second.
    """

    def __init__(
        self,
        *,
        consumer: GroupMember,
        admin: Admin,
        connect: Connect,
        group: str,
        topics: Sequence[str],
        handler: Handler | InParallel,
        settings: RuntimeSettings = RuntimeSettings(),  # noqa: B008 - frozen
        fault_points: FaultPoints = FaultPoints(),  # noqa: B008 - never stops
        observe: Observe = ignore,
        reader: Callable[[], Reader],
        sources: Set[str] | None = None,
        decode: Decode = from_record,
        budget: RetryBudget | None = None,
        expiry: Expiry | None = None,
        progress: VersionProgress | None = None,
        shedding: Shedding = Shedding(),  # noqa: B008 - frozen
        feeds: Sequence[GiveWay] = (),
        clock: Clock = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311 - jitter
        self._consumer, self._topics, self._settings, self._clock = consumer, tuple(topics), settings, clock
        self._report = Report(observe)
        self._board = LaneScheduler(settings.bound, settings.run_records, clock, settings.run_s)

        def session() -> Session:
            return Session(connect, settings.transaction_idle_s)

        budget = budget or RetryBudget(group, BudgetRule.of(settings.retry, settings.credit_s))
        self._retries, self._presence = Retries(settings, budget, self._report, clock, rng), Presence(group)
        self._downstream = Downstream(feeds, settings.floor_per_s, self._retries.hold, self._report)
        self._keeper, flood = self._keeper_of(group, session()), FloodGuard(settings.flood, clock)
        self._topic_watch = TopicWatch(consumer, self._report, settings.broken_s, clock)
        self._assignments = self._assignments_of(admin, fault_points, rng)
        self._healing = Healing(consumer, self._board, self._assignments, settings, self._report)
        middleware = Middleware(expiry, versions := VersionOrder.of(settings.versions, group, progress), shedding)
        self._hands = pool_for(handler, middleware, settings.retry.over_budget)
        transacted = answering(handler.in_turn if isinstance(handler, InParallel) else handler)
        application = Application(group, transacted, decode, fault_points, flood, self._retries, sources)
        working = replace(application, handler=middleware.before(transacted, self._report))
        self._originals, self._sessions = Originals(reader, decode), Sessions(session, settings.workers)
        self._workers = self._crew(working, Spent(settings.retry.over_budget, shedding, self._report))
        self._release = self._release_with(reader, session(), application, rng, versions)
        self._stopping = False  # a plain flag: `stop` may be called from a signal handler
        self._threads = Threads(on_failure=consumer.wakeup)
        rest = self._threads.failed.wait
        self._intake = Intake(consumer, self._board, self._assignments, settings, self._report, clock, rest)

    def run(self) -> None:
        """Poll until `stop`, then finish the runs under way, store positions, leave. Raises what went wrong."""
        if self._threads.started():
            raise OutboxError("a runtime runs once; make a new one with a new consumer")
        self._start()
        try:
            self._consumer.subscribe(
                self._topics, on_assigned=self._assignments.assigned, on_revoked=self._assignments.revoked
            )
            self._intake.begin()
            while not (self._stopping or self._threads.failed.is_set()):
                self._turn()
        finally:
            self._finish()
        self._threads.raise_failure()

    def stop(self) -> None:
        """Ask `run` to end; from any thread or a signal handler."""
        self._stopping = True
        self._consumer.wakeup()

    def lost(self) -> Mapping[TopicPartition, str]:
        """Partitions that stand still, where and why. The others go on."""
        return self._assignments.lost()

    def standing(self) -> Sequence[Standing]:
        """What stands still now, also for a moment only."""
        return [*standing_of(self._assignments, self._board, self._report), *self._downstream.standing()]

    def busy(self) -> Busy:
        """What it holds and does now."""
        return Busy(self._board.load(), self._board.standing(), len(self._workers), self._report.runs_at_work)

    def load(self) -> Mapping[TopicPartition, tuple[int, int]]:
        """Records and bytes held in memory, per open partition."""
        return self._board.load()

    def saturation(self) -> Saturation:
        """How much of what is bounded is in use now."""
        sessions = self._sessions
        return Saturation(self._board.lanes(), sessions.in_use, sessions.count, self._retries.rate())

    def _keeper_of(self, group: str, session: Session) -> PositionThread:
        upkeep, leave = self._upkeep, self._presence.leave
        return PositionThread(
            group, self._board, session, self._settings, self._report, each_second=upkeep, leave=leave
        )

    def _upkeep(self, connection: PsycopgConnection) -> None:
        self._retries.budget.deposit(connection)
        self._presence.say(connection, self._assignments.held(), self.standing())

    def _turn(self) -> None:
        self._intake.turn()
        self._assignments.settle()
        self._intake.apply_gates()
        self._healing.turn(self._clock())
        self._topic_watch.turn()
        self._intake.commit_in_time()

    def _assignments_of(self, admin: Admin, fault_points: FaultPoints, rng: random.Random) -> Assignments:
        return Assignments(
            consumer=self._consumer,
            admin=admin,
            keeper=self._keeper,
            board=self._board,
            settings=self._settings,
            report=self._report,
            fault_points=fault_points,
            clock=self._clock,
            rng=rng,
            missed=self._topic_watch.missed,
        )

    def _crew(self, application: Application, spent: Spent) -> list[Worker]:
        """A run whose work is under way holds a worker and at least one hand, but no session."""
        count = max(self._settings.workers, self._hands.count // 2 if self._hands else 0)
        return [
            Worker(
                board=self._board,
                sessions=self._sessions,
                application=application,
                retries=self._retries,
                report=self._report,
                spent=spent,
                originals=self._originals,
                hands=self._hands,
            )
            for _ in range(count)
        ]

    def _release_with(
        self,
        make_reader: Callable[[], Reader],
        session: Session,
        application: Application,
        rng: random.Random,
        versions: VersionOrder | None,
    ) -> Release:
        return Release(
            board=self._board,
            session=session,
            application=application,
            make_reader=make_reader,
            settings=self._settings,
            report=self._report,
            rng=rng,
            versions=versions,
        )

    def _start(self) -> None:
        bodies = [("keeper", self._keeper.run)]
        bodies += [(f"worker-{number}", worker.run) for number, worker in enumerate(self._workers)]
        if self._hands is not None:
            bodies += [(f"hand-{number}", self._hands.run) for number in range(self._hands.count)]
        bodies += [("release", self._release.run), ("downstream", self._downstream.run)]
        self._threads.start(bodies)

    def _finish(self) -> None:
        self._board.stop()
        within_s = self._settings.grace_s if self._threads.failed.is_set() else self._settings.drain_s
        if not self._board.wait_quiet(within_s):
            self._report.trouble("drain_incomplete", TimeoutError("a handler is still at work; its run will be fenced"))
        self._keeper.stop()
        if self._hands is not None:
            self._hands.stop()
        self._release.stop()
        self._downstream.stop()
        self._threads.join(END_THREADS_WITHIN_S)
        self._originals.close()
        try:
            self._intake.commit()
            self._consumer.close()
        except OutboxError as error:
            self._report.trouble("leave_failed", error)
