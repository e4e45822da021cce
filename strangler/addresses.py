"""Where the databases, Kafka and the groups are, by the environment; connections, and read-only snapshots on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import IsolationLevel

from outbox.connection import PsycopgConnection, connect, first_line
from outbox.kafka_settings import KafkaSettings
from outbox.settings import well_formed
from strangler.contexts import Context
from strangler.errors import BadInput, DependencyDown
from strangler.settings import Settings

READING = "-c statement_timeout=120s"  # a step's whole table; longer means that something is wrong


@dataclass(frozen=True, slots=True)
class Addresses:
    """The environment as a command needs it. `limits` of every statement. `judging`: only to read, so by the judge's
    own role in the main database, where there is one.
    """

    environ: Mapping[str, str] = field(repr=False)
    limits: str = READING
    judging: bool = True

    @property
    def slot(self) -> str:
        return self.environ.get("OUTBOX_SLOT") or "outbox"

    @property
    def kafka(self) -> KafkaSettings:
        self._required("KAFKA_BOOTSTRAP")
        return KafkaSettings.from_environ(self.environ)

    def topics(self, context: Context) -> list[str]:
        prefix = self.environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event.")
        return [prefix + aggregate_type for aggregate_type in context.topics]

    def group(self, context: Context) -> str:
        return self.environ.get("OUTBOX_GROUP_PREFIX", "") + context.group

    def legacy(self) -> PsycopgConnection:
        """The main database, in autocommit."""
        return self._connect("STRANGLER_DSN", "the main database (STRANGLER_DSN)")

    def context(self, context: Context) -> PsycopgConnection:
        """The context's database and schema, in autocommit."""
        what = f"the database of {context.schema} ({context.dsn_env})"
        return self._connect(context.dsn_env, what, context.schema)

    def dsn(self, context: Context) -> str:
        """Of the context's database."""
        return well_formed(self._required(context.dsn_env), context.dsn_env)

    def _connect(self, variable: str, what: str, schema: str | None = None) -> PsycopgConnection:
        judges = self.judging and variable == "STRANGLER_DSN"
        own = Settings.from_environ(self.environ).judge_dsn if judges else None
        dsn = own or well_formed(self._required(variable), variable)
        try:
            return connect(dsn, self.limits, schema=schema, autocommit=True)
        except psycopg.OperationalError as error:
            reason = first_line(error)[:200]
            raise DependencyDown(f"{what} does not answer: {reason}; check the address and that it runs") from error

    def _required(self, name: str) -> str:
        value = self.environ.get(name)
        if not value:
            raise BadInput(f"{name} is not set; set it, or name a running stack by --stack FILE")
        return value


@contextmanager
def snapshot(connection: PsycopgConnection) -> Iterator[PsycopgConnection]:
    """One REPEATABLE READ, read-only transaction: all reads in it see the same moment."""
    connection.autocommit = False
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        yield connection
    finally:
        if not connection.closed:
            connection.rollback()
            connection.isolation_level, connection.read_only = None, None
            connection.autocommit = True
