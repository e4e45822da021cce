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

_TOPIC = re.compile(r"(.+):([A-Za-z0-9._-]+)")
_PARTITION = re.compile(r"(.+):([A-Za-z0-9._-]+)/([0-9]{1,9})")
_EVENT = re.compile(rf"{_PARTITION.pattern}@([0-9]{{1,18}})")
_SCHEMAS = "SELECT table_schema FROM information_schema.columns WHERE table_name = %s AND column_name = %s ORDER BY 1"


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


def schemas_with(connection: PsycopgConnection, table: str, column: str, *, only: str | None) -> list[str]:
    """Schemas with such a table, in order of name; `only` that one, which must be among them."""
    found = [str(row[0]) for row in connection.execute(_SCHEMAS, [table, column])]
    if only is None:
        return found
    if only not in found:
        there = ", ".join(found) or "none"
        raise ConfigurationError(f"no schema {only!r} with a {table} table here; there are {there}")
    return [only]


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
