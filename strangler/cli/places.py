"""Places that verbs print and take, a partition as a context reads it and an event in it, and the contexts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from outbox.connection import PsycopgConnection
from outbox.kafka.port import TopicPartition
from strangler.errors import BadInput, RefusedError

_PARTITION = re.compile(r"([a-z_][a-z0-9_]*):([A-Za-z0-9._-]+)/([0-9]{1,9})")
_EVENT = re.compile(rf"{_PARTITION.pattern}@([0-9]{{1,18}})")
_CONTEXTS = "SELECT table_schema FROM information_schema.columns WHERE table_name = %s AND column_name = %s ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Place:
    """A partition as a context reads it: CONTEXT:TOPIC/PARTITION."""

    context: str
    partition: TopicPartition

    @classmethod
    def parse(cls, text: str) -> Place:
        context, topic, number = _parts(_PARTITION, text, "positions")
        return cls(context, TopicPartition(topic, int(number)))


@dataclass(frozen=True, slots=True)
class EventPlace(Place):
    """Where an event is parked, the record's place in the log: CONTEXT:TOPIC/PARTITION@OFFSET."""

    offset: int

    @classmethod
    def parse(cls, text: str) -> EventPlace:
        context, topic, number, offset = _parts(_EVENT, text, "quarantine")
        return cls(context, TopicPartition(topic, int(number)), int(offset))


def contexts_with(connection: PsycopgConnection, table: str, column: str, *, only: str | None) -> list[str]:
    """Schemas with such a table, in order of name; `only` that one, which must be among them."""
    found = [str(row[0]) for row in connection.execute(_CONTEXTS, [table, column])]
    if only is None:
        return found
    if only not in found:
        raise BadInput(f"no context {only!r} with a {table} table here; there are {', '.join(found) or 'none'}")
    return [only]


@contextmanager
def as_its_role(what: str, context: str | None = None) -> Iterator[None]:
    """What PostgreSQL refuses in the block is told as a refusal; `what` the context has or has not."""
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        if context is None:
            raise
        raise BadInput(f"context {context!r} has no {what} in this database") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(
            f"refused: the role of this DSN may not change the context's {what} ({error.diag.message_primary}); "
            "take a DSN of the context's own role"
        ) from error


def _parts(pattern: re.Pattern[str], text: str, verb: str) -> Sequence[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no place; copy one from `strangler {verb} list`")
    return match.groups()
