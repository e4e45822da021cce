"""A consumer as a program starts it: topics, a group, a handler, and nothing else that must be said."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, closing
from typing import get_type_hints

import psycopg

from outbox.connection import PsycopgConnection, connect, look_into, quoted, unanswered
from outbox.consumer.first_contact import first_contact
from outbox.consumer.gauges import measured
from outbox.consumer.handler import Handler, InParallel, answering
from outbox.consumer.middleware.expiry import Expiry
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.partitions.starting import Start, checked
from outbox.consumer.report import ignore
from outbox.consumer.runtime import ConsumerRuntime
from outbox.consumer.settings import Observe, RuntimeSettings
from outbox.errors import ConfigurationError, DependencyDown, OutboxError
from outbox.fault_points import FaultPoints
from outbox.installation import SOURCES, Installation, sources_in
from outbox.kafka.port import Admin
from outbox.kafka.port import GroupMember as Member
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from outbox.policy import Expired, Policy, require
from outbox.schema import migrate
from outbox.schema.parts import CONSUMER
from outbox.settings import well_formed
from outbox.terms import check_types

# By what any role may read; no Alembic is needed to see that nothing was made.
HAS_TABLES = """
SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relname = %s"""
FIRST_ON_PATH = "SELECT set_config('search_path', %s || ', ' || current_setting('search_path'), false)"


class Consumer:
    """Hands every event of `topics` to `handler` once per `group`: its rows and the position commit together.

    `topics` are aggregate types: `prefix` is put before each, as the relay does. `dsn` is the database of the
    handler's tables; what the consumer keeps for itself lies in `schema`, by default the group's name, which stands
    first on the handler's search path. `migrate` makes it. `handler` may be `InParallel`. `policy` says what becomes of
    late and failing events; without one nothing is lost. `compensate` is given the late events of a policy that says
    `expired=compensate`, instead of `handler`. `sources` are other databases whose events are ours too, as for `Relay`.
    `lanes`: how many keys are worked on side by side in a partition; stored, so another number later is refused.
    `start`: where a group begins that has never read a topic: at its first record, "latest" behind its last one, or at
    a `datetime` with a zone, by the records' timestamps. Later it has no effect: `outbox positions set` moves a group.
    `observe` is called with counts, from several threads; `outbox.metrics.Counters` hears times and gauges too.

    Order is kept per key. A failing event is tried again without end, the others of its lane behind it; `Poison`, and
    data that the database refuses, is parked in quarantine, the later events of its key behind it.

        def count(connection, received):
            for one in received:
                connection.execute("INSERT INTO seen VALUES (%s)", [one.event.aggregate_id])

        consumer = Consumer(
            topics=["invoice"], group="totals", handler=count, dsn="postgresql://localhost/billing",
            bootstrap="localhost:9092", policy=Policy.lossless(3600, "the position"),
        )
        consumer.migrate()
        signal.signal(signal.SIGTERM, lambda *_: consumer.stop())
        consumer.run()
    """

    def __init__(
        self,
        *,
        topics: Sequence[str],
        group: str,
        handler: Handler | InParallel,
        dsn: str,
        bootstrap: KafkaSettings | str,
        schema: str | None = None,
        policy: Policy | None = None,
        observe: Observe = ignore,
        lanes: int | None = None,
        prefix: str = "outbox.event.",
        compensate: Handler | None = None,
        sources: Collection[str] = (),
        start: Start = "earliest",
    ) -> None:
        """Opens nothing. `ConfigurationError` for a policy that contradicts itself, or `compensate`, or a bad DSN."""
        given = {name: value for name, value in locals().items() if name != "self"}
        check_types("Consumer", get_type_hints(Consumer.__init__), given)
        if not topics:
            raise ConfigurationError(f"consumer {group!r} has no topics; name the aggregate types that it handles")
        for name, texts in (("group", [group]), ("schema", [schema or group]), ("topics", topics)):
            if not all(text.strip() for text in texts):
                raise ConfigurationError(f"Consumer.{name} is blank; name it")
        for called in (handler, compensate):
            if called is not None and not isinstance(called, InParallel):
                answering(called)
        if lanes is not None:
            RuntimeSettings(lanes=lanes)
        self._policy = require(policy or Policy.lossless(3_600, "the position"))
        if self._policy.versions is not None:
            raise ConfigurationError(
                f"policy of consumer {group!r} waits for versions, which only a handler with claims can; leave them out"
            )
        if self._policy.modes:
            raise ConfigurationError(
                f"policy of consumer {group!r} has modes, which nobody declares here; leave them out: a Service of "
                "strangler heeds them"
            )
        expiry = Expiry.of(self._policy, compensate=compensate)
        self._expiry = None if self._policy.expired is Expired.RUN else expiry
        self._sources = sources_in({SOURCES: ",".join(sources)})
        self._topics, self._group, self._handler = [prefix + topic for topic in topics], group, handler
        self._dsn, self._kafka, self._schema = well_formed(dsn, "dsn"), KafkaSettings.of(bootstrap), schema or group
        self._observe, self._lanes, self._start = observe, lanes, checked(start)
        self._runtime: ConsumerRuntime | None = None
        self._begun, self._stopped = False, threading.Event()

    def migrate(self) -> list[str]:
        """Make or extend what the consumer keeps for itself, in its schema. COMMITS; a second call does nothing.

        The statements that were executed. `ConfigurationError` where the role may not, `DependencyDown` after 60 s
        behind another migration.
        """
        with connect(self._dsn, "") as connection:
            return migrate(connection, "consumer", self._schema)

    def run(self) -> None:
        """Block until `stop`, then finish the work under way and leave the group. Once.

        Kafka is waited for, at the start too; that is logged, and counted as `consumer_unreachable`. Raises
        `ConfigurationError` where its tables are missing or Kafka refuses it, `DependencyDown` when PostgreSQL does not
        answer at the start; later outages of it are waited for.
        """
        if self._begun:
            raise OutboxError("a consumer runs once; make a new one")
        self._begun = True
        ours = self._installation()
        met = first_contact(
            lambda: PythonAdmin(self._kafka, client_id=self._group),
            lambda: PythonConsumer(self._kafka, group=ours.kafka_group(self._group), client_id=self._group),
            stopping=self._stopped,
            observe=self._observe,
        )
        if met is None:
            return
        admin, member = met
        with closing(admin), closing(member):
            self._runtime = runtime = self._assembled(admin, member, ours)
            if self._stopped.is_set():  # while it was being made
                runtime.stop()
            with self._measured(runtime):
                runtime.run()

    def stop(self) -> None:
        """From any thread or signal handler, also before `run`."""
        self._stopped.set()
        if self._runtime is not None:
            self._runtime.stop()

    def _installation(self) -> Installation:
        try:
            with self._connect() as connection:
                self._require_tables(connection)
                return Installation.of(connection, self._sources)
        except psycopg.OperationalError as error:
            raise DependencyDown(unanswered(error, "the DSN")) from error

    def _assembled(self, admin: Admin, member: Member, ours: Installation) -> ConsumerRuntime:
        policy = self._policy
        return ConsumerRuntime(
            consumer=member,
            admin=admin,
            connect=self._connect,
            group=self._group,
            topics=self._topics,
            handler=self._handler,
            settings=RuntimeSettings.of(policy, lanes=self._lanes, start=self._start),
            fault_points=FaultPoints.from_environ(os.environ),
            observe=self._observe,
            reader=lambda: PythonReader(self._kafka, client_id=f"{self._group}-reader"),
            sources=ours.sources,
            expiry=self._expiry,
            shedding=Shedding.of(policy, permitted=lambda: bool(policy.shedding())),
        )

    def _measured(self, runtime: ConsumerRuntime) -> AbstractContextManager[None]:
        return measured(
            self._observe,
            runtime,
            group=self._group,
            topics=self._topics,
            connect=self._connect,
            make_admin=lambda: PythonAdmin(self._kafka, client_id=f"{self._group}-lag"),
            make_reader=lambda: PythonReader(self._kafka, client_id=f"{self._group}-lag"),
        )

    def _require_tables(self, connection: PsycopgConnection) -> None:
        """Without them every partition would wait for them, without end and without a word."""
        look_into(connection, self._schema)
        if connection.execute(HAS_TABLES, [self._schema, CONSUMER.version_table]).fetchone() is None:
            raise ConfigurationError(
                f"schema {self._schema!r} has no tables of a consumer; call migrate() before run(), "
                f"or run: outbox migrate --consumer {self._schema}"
            )

    def _connect(self) -> PsycopgConnection:
        connection = connect(self._dsn, name=self._group)
        try:
            connection.execute(FIRST_ON_PATH, [quoted(self._schema)])
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection
