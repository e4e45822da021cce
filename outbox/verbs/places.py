"""Places that verbs print and take, a partition as a consumer reads it and an event in it, and their schemas."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from outbox.connection import PsycopgConnection
from outbox.errors import ConfigurationError, OutboxError
from outbox.kafka.port import TopicPartition
from outbox.verbs.call import Call

_TOPIC = re.compile(r"(.+):([A-Za-z0-9._-]+)")
_PARTITION = re.compile(r"(.+):([A-Za-z0-9._-]+)/([0-9]{1,9})")
_EVENT = re.compile(rf"{_PARTITION.pattern}@([0-9]{{1,18}})")
# The catalogue is everybody's to read, information_schema only shows what the role may see.
_SCHEMAS = """
SELECT nspname, has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT')
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relname = %s AND attname = %s AND relkind IN ('r', 'p') AND NOT attisdropped ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Place:
    """A partition as a consumer reads it: SCHEMA:TOPIC/PARTITION."""

    schema: str
    partition: TopicPartition

    @classmethod
    def parse(cls, text: str) -> Place:
        schema, topic, number = _parts(_PARTITION, text, "positions show")
        return cls(schema, TopicPartition(topic, int(number)))


@dataclass(frozen=True, slots=True)
class TopicPlace:
    """A topic as a consumer reads it, all of it or one partition: SCHEMA:TOPIC, SCHEMA:TOPIC/PARTITION."""

    schema: str
    topic: str
    number: int | None

    @classmethod
    def parse(cls, text: str) -> TopicPlace:
        if "/" in text:
            place = Place.parse(text)
            return cls(place.schema, *place.partition)
        schema, topic = _parts(_TOPIC, text, "positions show")
        return cls(schema, topic, None)

    def __str__(self) -> str:
        return f"{self.schema}:{self.topic}{'' if self.number is None else f'/{self.number}'}"


@dataclass(frozen=True, slots=True)
class EventPlace(Place):
    """Where an event is parked, the record's place in the log: SCHEMA:TOPIC/PARTITION@OFFSET."""

    offset: int

    @classmethod
    def parse(cls, text: str) -> EventPlace:
        schema, topic, number, offset = _parts(_EVENT, text, "quarantine list")
        return cls(schema, TopicPartition(topic, int(number)), int(offset))


@dataclass(frozen=True, slots=True)
class Schemas:
    """Schemas with a consumer's table, in order of name: those that the role may read, and those that it may not."""

    readable: Sequence[str]
    closed: Sequence[str]

    @property
    def unseen(self) -> str | None:
        """What to say of those that nobody looked into; None where there are none."""
        if not self.closed:
            return None
        return f"NOT looked into: {', '.join(self.closed)}; this role may not read there, give a DSN of one that may"


def schemas_with(connection: PsycopgConnection, table: str, column: str, *, only: str | None) -> Schemas:
    """`only` that one, which must be among them. `ConfigurationError` where there is none, or the role may read none:
    what nobody has looked at must not be told as empty.
    """
    found = {str(name): bool(may) for name, may in connection.execute(_SCHEMAS, [table, column])}
    if only is not None and only not in found:
        there = ", ".join(found) or "none"
        raise ConfigurationError(f"no schema {only!r} with a {table} table here; there are {there}")
    if not found:
        raise ConfigurationError(
            f"no schema of database {connection.info.dbname!r} has a {table} table, so there was nothing to look at; "
            "run: outbox migrate --consumer SCHEMA (or strangler migrate), or give another --dsn"
        )
    chosen = found if only is None else {only: found[only]}
    schemas = Schemas([one for one, may in chosen.items() if may], [one for one, may in chosen.items() if not may])
    if not schemas.readable:
        raise ConfigurationError(f"the role {connection.info.user!r} may look nowhere. {schemas.unseen}")
    return schemas


def told_unseen(call: Call, schemas: Schemas) -> int:
    """Say which were not looked into; the exit code, 2 where there are such."""
    if schemas.unseen is None:
        return 0
    call.talk(schemas.unseen)
    return 2


@contextmanager
def as_its_role(what: str, schema: str | None = None) -> Iterator[None]:
    """What PostgreSQL refuses in the block is told as a refusal; `what` the schema has or has not."""
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        if schema is None:
            raise
        raise ConfigurationError(f"schema {schema!r} has no {what} in this database") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise OutboxError(
            f"refused: the role of this DSN may not change the consumer's {what} ({error.diag.message_primary}); "
            "take a DSN of the consumer's own role"
        ) from error


def _parts(pattern: re.Pattern[str], text: str, verb: str) -> Sequence[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no place; copy one from `{verb}`")
    return match.groups()
